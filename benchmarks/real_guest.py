"""From `server create` to ssh, against QEMU started by hand: `python -m benchmarks.real_guest [rounds [container]]`.

Needs root and the real hosts' tools. Each round boots the small guest (kernel, ramdisk and root) twice: by the cloud's
API, told by its metadata service and reached through a floating IP; and by a QEMU command with user-mode networking,
told by a config drive. Both are over when a command has run in the guest by ssh with the injected key. Prints JSON.
With `container` the cloud's guest is a machine container (virt_type = lxc), and there is nothing by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.guest.machine import Machine, make_config_drive
from tests.system.client import OpenStack
from tests.system.cloud import Cloud, a_cloud, eventually, request
from tests.system.compute import real
from tests.system.compute.story import Story, networks, upload

BOOT_S = 300.0
CMDLINE = "root=/dev/vda console=tty0 console=ttyS0 no_timer_check"


def main(rounds: int = 3, kind: str = "qemu") -> None:
    reason = real.missing(client=True)
    images = real.guest_images()
    if reason is not None or isinstance(images, str):
        sys.exit(reason or str(images))
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o711)
        key = directory / "id"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        with a_cloud(directory / "cloud") as cloud:
            if kind == "container":
                (cloud.directory / "etc").mkdir(parents=True, mode=0o700)
                (cloud.directory / "etc" / "nova.conf").write_text("[libvirt]\nvirt_type = lxc\n")
            ours, by_hand = _measure(cloud, key, images, rounds, by_hand=kind == "qemu")
    found: dict[str, Any] = {"kind": kind, "rounds": rounds, "load": os.getloadavg()[0], "create_to_ssh_s": ours}
    found |= {"by_hand_s": by_hand, "median_s": round(statistics.median(ours), 2)}
    if by_hand:
        found["median_by_hand_s"] = round(statistics.median(by_hand), 2)
        found["more_than_by_hand_s"] = round(statistics.median(ours) - statistics.median(by_hand), 2)
    print(json.dumps(found, indent=2))


def _measure(cloud: Cloud, key: Path, images: Path, rounds: int, *, by_hand: bool) -> tuple[list[float], list[float]]:
    cloud.up()
    client = OpenStack(cloud, "admin")
    story = Story(cloud, client, key)
    try:
        upload(story, images)
        networks(story)
        client("flavor create --ram 128 --disk 1 --vcpus 1 m1.nano")
        client(f"keypair create --public-key {key}.pub ours")
        _of_cloud(story, "warm")  # the image is on the host from here on
        ours, others = [], []
        for number in range(rounds):
            ours.append(_of_cloud(story, f"server-{number}"))
            if by_hand:
                others.append(_of_hand(key, images))
        return ours, others
    finally:
        client.close()


def _of_cloud(story: Story, name: str) -> float:
    """Port and floating IP are there before, as in a cloud whose user keeps them; the server is what is timed."""
    client, token = story.client, story.cloud.login()
    port = client(f"port create --network private --security-group web {name}")["id"]
    address = client(f"floating ip create --port {port} public")["floating_ip_address"]
    flavor, image = client("flavor show m1.nano")["id"], client("image show guest")["id"]
    body = {"name": name, "flavorRef": flavor, "imageRef": image, "key_name": "ours", "networks": [{"port": port}]}
    url = f"{story.cloud.url('compute')}/v2.1/servers"
    started = time.perf_counter()
    answer = request("POST", url, token=token, json={"server": body})
    assert answer.status == 202, answer.data
    real.ssh(story.key, address, "true", BOOT_S)
    took = time.perf_counter() - started
    client.text(f"server delete --wait {name}")
    eventually(lambda: real.guests_of(story.cloud) == [], within_s=60)
    client.text(f"floating ip delete {address}")
    return round(took, 2)


def _of_hand(key: Path, images: Path) -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        keys = {"ours": key.with_suffix(".pub").read_text()}
        drive = make_config_drive(folder, {"uuid": "by-hand", "hostname": "by-hand", "public_keys": keys}, "")
        boot = ["-kernel", str(images / "cumulet-guest-kernel"), "-initrd", str(images / "cumulet-guest-ramdisk")]
        machine = Machine(
            folder,
            images / "cumulet-guest-root.qcow2",
            config_drive=drive,
            boot_arguments=[*boot, "-append", CMDLINE],
        )
        started = time.perf_counter()
        machine.start()
        try:
            words = [
                "ssh",
                "-i",
                str(key),
                "-p",
                str(machine.ssh_port),
                "-o",
                "BatchMode=yes",
                "-o",
                "ConnectTimeout=5",
            ]
            words += [
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "UserKnownHostsFile=/dev/null",
                "cirros@127.0.0.1",
                "true",
            ]
            eventually(
                lambda: subprocess.run(words, capture_output=True, timeout=60, check=False).returncode == 0,
                within_s=BOOT_S,
            )
            return round(time.perf_counter() - started, 2)
        finally:
            machine.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", type=int, nargs="?", default=3)
    parser.add_argument("kind", nargs="?", default="qemu", choices=("qemu", "container"))
    main(**vars(parser.parse_args()))
