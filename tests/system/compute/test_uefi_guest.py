"""A real guest with all that its image and flavor can ask for: UEFI, a TPM, an agent inside, a processor of its own.

It is talked to over its serial console, and ends on another host, which has to know what the first one knew.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cumulet.agents.compute.protocols import Guest
from cumulet.agents.compute.qemu import firmware, placement, processes, tpm
from cumulet.agents.compute.qemu.driver import QemuHypervisor
from tests.agents.compute.support import SerialConsole, StoredImages, a_guest, until
from tests.system.compute import real
from tests.system.compute.hosts import a_host, add_guest_image

_MISSING = real.missing() or next(
    (
        f"not installed: {package} (scripts/packages host)"
        for package, there in (
            ("ovmf", firmware.traits()),
            ("swtpm", tpm.traits()),
            ("e2fsprogs", shutil.which("debugfs")),
        )
        if not there
    ),
    None,
)
pytestmark = [
    pytest.mark.root,
    pytest.mark.qemu,
    pytest.mark.timeout(900),
    pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING)),
]
BOOT_S = 400
PROPERTIES = {
    "hw_firmware_type": "uefi",
    "hw_tpm_version": "2.0",
    "hw_tpm_model": "tpm-crb",
    "hw_qemu_guest_agent": "yes",
    "os_require_quiesce": "yes",
    "os_admin_user": "cirros",
}
SPECS = {"hw:cpu_policy": "dedicated", "hw:numa_nodes": "1"}
MARK = "/sys/firmware/efi/efivars/Mark-6b1f0a52-3c1d-4a3e-9a57-c0ffee000003"
SECURE = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
READ_CLOCK = r"\200\001\000\000\000\012\000\000\001\201"  # TPM 2.0 Library, part 3: TPM2_ReadClock without sessions


@dataclass
class Life:
    images: StoredImages
    here: QemuHypervisor
    there: QemuHypervisor
    guest: Guest
    before: int = 0
    password: str = "gocubsgo"

    def logged_in(self, on: QemuHypervisor) -> SerialConsole:
        until(
            lambda: "login:" in on.console_log(self.guest.id),
            BOOT_S,
            why=lambda: on.console_log(self.guest.id)[-1000:],
        )
        console = SerialConsole(Path(on.console(self.guest.id, "serial")["path"]))
        console.login(BOOT_S, password=self.password)
        return console


@pytest.fixture(scope="module")
def found() -> Path:
    images = real.guest_images()
    if isinstance(images, str):
        pytest.skip(images)
    return images


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory, found: Path) -> Iterator[Life]:
    images = StoredImages()
    image = add_guest_image(images, found, **PROPERTIES)
    directory = tmp_path_factory.mktemp("hosts")
    metadata = json.dumps({"uuid": "x", "hostname": "modern"}).encode()
    drive = {"openstack/latest/meta_data.json": base64.b64encode(metadata).decode()}
    flavor = {"ram": 256, "extra_specs": SPECS}
    guest = a_guest(image["id"], image, config_drive=True, drive=drive, flavor=flavor)
    own = ",".join(str(cpu) for cpu in sorted(os.sched_getaffinity(0)))
    hosts = [
        a_host(directory / name, images, f"127.0.0.{n}", dedicated_processors=own)
        for n, name in enumerate(("here", "there"), 1)
    ]
    try:
        hosts[0].spawn(guest)
        yield Life(images, *hosts, guest)
    finally:
        for host in hosts:
            host.destroy(guest.id)


def resets(console: SerialConsole) -> int:
    """How often the guest's TPM has been started, which it keeps in its memory."""
    asked = f"exec 3<>/dev/tpm0; printf '{READ_CLOCK}' >&3; dd bs=64 count=1 <&3 2>/dev/null | xxd -p -c 64"
    said = console.run(f'sh -c "{asked}"')
    answer = bytes.fromhex(said.split()[-1])
    assert answer[6:10] == b"\0\0\0\0", said
    return int.from_bytes(answer[26:30], "big")


def test_it_starts_by_uefi_and_has_a_tpm(life: Life) -> None:
    console = life.logged_in(life.here)
    assert console.run("hostname").endswith("modern")
    assert "efivarfs" in console.run("cat /proc/mounts")
    assert console.run(f"xxd -p {SECURE}").endswith("00")
    assert console.run("cat /sys/class/tpm/tpm0/tpm_version_major").endswith("2")
    assert "node0" in console.run("ls /sys/devices/system/node")
    life.before = resets(console)
    assert console.run(rf"printf '\007\000\000\000kept' | tee {MARK} >/dev/null; cat {MARK}").endswith("kept")
    console.close()


def test_its_processor_is_its_own(life: Life) -> None:
    kept = placement.kept_of(life.here.host.folders.load(life.guest.id), life.here.host.config.host)
    assert kept is not None
    pinned = kept.cells[0].pins.values()
    with processes.questions(life.here.host.folders.of(life.guest.id)) as monitor:
        threads = [cpu["thread-id"] for cpu in monitor.ask("query-cpus-fast")]
    assert [os.sched_getaffinity(thread) for thread in threads] == [{cpu} for cpu in pinned]


def test_its_agent_sets_a_password(life: Life) -> None:
    life.password = "another one"
    life.here.set_password(life.guest.id, life.password)
    console = SerialConsole(Path(life.here.console(life.guest.id, "serial")["path"]))
    console.leave(BOOT_S)
    console.login(BOOT_S, password=life.password)
    console.close()


def test_a_snapshot_waits_until_its_disk_is_at_rest(life: Life) -> None:
    """What was written just before is on the disk, though nobody said sync: the agent has frozen the file system."""
    console = SerialConsole(Path(life.here.console(life.guest.id, "serial")["path"]))
    console.run("echo written just now > /home/cirros/mark")
    image_id = life.images.queue()
    life.here.snapshot(life.guest.id, image_id)
    assert "going on" in console.run("echo going on > after; cat after")  # and thawed it again
    console.close()
    disk = life.here.host.images.fetch(life.images.show(image_id)).path
    said = subprocess.run(
        ["debugfs", "-R", "cat /home/cirros/mark", disk], capture_output=True, text=True, timeout=60, check=True
    )
    assert said.stdout == "written just now\n"


def test_its_kernel_hears_an_interrupt_that_cannot_be_masked(life: Life) -> None:
    life.here.inject_nmi(life.guest.id)
    until(lambda: "NMI" in life.here.console_log(life.guest.id))


def test_firmware_and_tpm_move_with_it(life: Life) -> None:
    offer = life.here.send(life.guest.id)
    assert set(offer["files"]) >= {firmware.VARIABLES, "tpm/tpm2-00.permall"}
    life.there.receive(life.guest, offer, power_on=True)
    life.here.confirm_resize(life.guest.id)
    console = life.logged_in(life.there)
    assert console.run(f"cat {MARK}").endswith("kept")
    assert resets(console) == life.before + 1
    console.close()


def test_they_move_while_it_runs(life: Life) -> None:
    target = life.here.prepare_live(life.guest, copy_disks=True)
    life.there.live_migrate(life.guest.id, target)
    assert (life.here.guests(), life.there.guests()) == ({life.guest.id: 1}, {})
    console = SerialConsole(Path(life.here.console(life.guest.id, "serial")["path"]))
    assert resets(console) == life.before + 1
    assert console.run(f"cat {MARK}").endswith("kept")
    console.close()
    variables = life.here.host.folders.of(life.guest.id) / firmware.VARIABLES
    assert "Mark".encode("utf-16-le") in variables.read_bytes()  # for its next start
    assert placement.kept_of(life.here.host.folders.load(life.guest.id), life.here.host.config.host) is not None


def test_nothing_is_left_of_it(life: Life) -> None:
    directory = life.here.host.folders.of(life.guest.id)
    life.here.destroy(life.guest.id)
    until(lambda: not _processes_in(directory))
    assert [entry.name for entry in life.here.host.folders.root.iterdir()] == ["_base"]


def _processes_in(directory: Path) -> list[str]:
    """QEMU, its TPM and whatever else works there."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str((entry / "cwd").readlink()).startswith(str(directory)):
                found.append(entry.name)
        except OSError:
            continue
    return found


def test_secure_boot_is_on_where_it_is_required(tmp_path: Path, found: Path) -> None:
    """What the guest's kernel is told by the firmware (UEFI specification, 3.3 Globally Defined Variables)."""
    images = StoredImages()
    image = add_guest_image(images, found, hw_firmware_type="uefi", os_secure_boot="required")
    host = a_host(tmp_path / "host", images, "127.0.0.1")
    life = Life(images, host, host, a_guest(image["id"], image, flavor={"ram": 256}))
    try:
        host.spawn(life.guest)
        console = life.logged_in(host)
        assert console.run(f"xxd -p {SECURE}").endswith("01")
        console.close()
    finally:
        host.destroy(life.guest.id)
