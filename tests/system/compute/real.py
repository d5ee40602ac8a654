"""A real cloud on this machine: what it needs, and the small guest it runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.clients import OPENSTACK, WITHOUT
from tests.guest.test_guest import SCRIPT, UNAVAILABLE
from tests.system.cloud import Cloud, eventually
from tests.system.network.lab import missing_for_root_tests

_TOOLS = {"qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils", "ssh": "openssh-client"}


def missing(*, client: bool = False) -> str | None:
    """Why real guests cannot be run here, None when they can."""
    if (reason := missing_for_root_tests()) is not None:
        return reason
    packages = sorted({package for tool, package in _TOOLS.items() if shutil.which(tool) is None})
    if packages:
        return f"not installed: {', '.join(packages)}"
    if client and OPENSTACK is None:
        return WITHOUT
    return None


def guest_images() -> Path | str:
    """The directory of the small guest's images; a sentence where they cannot be built."""
    done = subprocess.run(
        [str(SCRIPT)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"CUMULET_GUEST_INSTALL": "no"},
    )
    if done.returncode == UNAVAILABLE:
        return done.stderr.strip()
    assert done.returncode == 0, done.stderr
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("CUMULET_GUEST_DIR") or cache / "cumulet" / "guest")


def outside_of(cloud: Cloud) -> tuple[str, str]:
    """The subnet that leads out of this cloud, and the host's address in it."""
    file = cloud.directory / "agents" / "network" / "outside.json"
    eventually(file.exists, within_s=60)
    chosen = json.loads(file.read_text())
    return str(chosen["cidr"]), str(chosen["address"])


def ssh(key: Path, address: str, command: str, within_s: float = 120.0) -> str:
    """What a command in the guest prints, as soon as the guest lets us in."""
    words = ["ssh", "-i", str(key), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "ConnectTimeout=5"]
    words += ["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", f"cirros@{address}", command]

    def run() -> subprocess.CompletedProcess[str] | None:
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        return done if done.returncode == 0 else None

    done: subprocess.CompletedProcess[str] = eventually(run, within_s=within_s)
    return done.stdout


def guests_of(cloud: Cloud) -> list[int]:
    """The QEMU processes of this cloud, told by the directory they work in."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            at = (entry / "cwd").readlink()
            program = (entry / "cmdline").read_bytes().split(b"\0")[0]
        except OSError:
            continue
        if at.is_relative_to(cloud.directory) and program.startswith(b"qemu-"):
            found.append(int(entry.name))
    return found


def taps_of(ports: list[str]) -> list[str]:
    present = {entry.name for entry in Path("/sys/class/net").iterdir()}
    return [name for port in ports if (name := f"tap{port[:11]}") in present]
