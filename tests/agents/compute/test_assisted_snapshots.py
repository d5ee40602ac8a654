"""Snapshots that a host helps with: a running guest goes on in a file that was put on top, and files are merged.

On the simulated host, and in QEMU, where firmware runs and no system.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cumulet.agents.compute.protocols import Disk
from cumulet.agents.compute.qemu import assisted_snapshots, processes
from cumulet.agents.compute.qemu.driver import QemuHypervisor
from cumulet.simulator.compute import SimulatedHypervisor
from tests.agents.compute.support import a_guest
from tests.agents.compute.test_swapping import Volumes, needs_qemu, qemu

VOLUME = "11111111-2222-3333-4444-555555555555"


def image(*arguments: str | Path) -> bytes:
    return subprocess.run(["qemu-img", *map(str, arguments)], check=True, capture_output=True).stdout


class Share:
    """Where a back end of Volume keeps a volume's files. Each has a MiB of its own, of its number."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.files = Volumes(directory)

    def overlay(self, name: str, below: str, kind: str) -> None:
        image("create", "-q", "-f", "qcow2", "-b", below, "-F", kind, self.directory / name)

    def below(self, name: str) -> str | None:
        said = json.loads(image("info", "-U", "--output=json", self.directory / name))
        found: str | None = said.get("backing-filename")
        return found


@pytest.fixture
def share(tmp_path: Path) -> Share:
    return Share(tmp_path)


@pytest.fixture
def host(tmp_path: Path) -> QemuHypervisor:
    return qemu(tmp_path / "instances")


@pytest.fixture
def guest(host: QemuHypervisor, share: Share) -> Iterator[str]:
    """It runs, with the volume as its second disk."""
    root = Disk("root-volume", "/dev/vda", share.files.make("root-volume").connection, boot_index=0)
    made = a_guest(None, volumes=[root])
    host.spawn(made)
    host.attach_volume(made.id, share.files.make(VOLUME, b"v"))
    yield made.id
    host.destroy(made.id)


def chain(host: QemuHypervisor, guest: str) -> list[str]:
    """The files that QEMU has the volume in, from the one it writes to on."""
    drive = next(one for one in host.host.folders.load(guest).drives if one.volume_id == VOLUME)
    with processes.monitor(host.host.folders.of(guest)) as monitor:
        return [each.file.name for each in assisted_snapshots._chain(monitor, drive)]


def write(host: QemuHypervisor, guest: str, at_mb: int, pattern: int) -> None:
    """As the guest would, at this MiB of its volume."""
    drive = next(one for one in host.host.folders.load(guest).drives if one.volume_id == VOLUME)
    with processes.monitor(host.host.folders.of(guest)) as monitor:
        [device] = [
            block["qdev"] for block in monitor.ask("query-block") if drive.id in str(block.get("qdev")).split("/")
        ]
        command = f'qemu-io -d {device} "write -P {pattern} {at_mb}M 1M"'
        assert monitor.ask("human-monitor-command", command_line=command) == ""


def content(share: Share, name: str, kind: str = "qcow2") -> list[int]:
    """The first byte of each of the first four MiB, as whoever opens this file reads it."""
    raw = share.directory / "content.raw"
    image("convert", "-U", "-f", kind, "-O", "raw", share.directory / name, raw)
    data = raw.read_bytes()
    return [data[number << 20] for number in range(4)]


def two_snapshots(host: QemuHypervisor, guest: str, share: Share) -> None:
    share.overlay("first", VOLUME, "raw")
    host.take_assisted_snapshot(guest, VOLUME, "first")
    write(host, guest, 1, 1)
    share.overlay("second", "first", "qcow2")
    host.take_assisted_snapshot(guest, VOLUME, "second")
    write(host, guest, 2, 2)


@needs_qemu
def test_the_guest_goes_on_in_the_new_file(host: QemuHypervisor, guest: str, share: Share) -> None:
    two_snapshots(host, guest, share)
    qemu(share.directory / "instances").take_assisted_snapshot(guest, VOLUME, "second")  # as once
    assert chain(host, guest) == ["second", "first", VOLUME]
    assert content(share, VOLUME, "raw") == [ord("v"), 0, 0, 0]
    assert content(share, "first") == [ord("v"), 1, 0, 0]
    host.stop(guest)
    host.start(guest)
    assert chain(host, guest) == ["second", "first", VOLUME]
    write(host, guest, 3, 3)
    host.stop(guest)
    assert content(share, "second") == [ord("v"), 1, 2, 3]
    host.detach_volume(guest, VOLUME)


@needs_qemu
def test_a_guest_that_is_off_starts_in_the_new_file(host: QemuHypervisor, guest: str, share: Share) -> None:
    host.stop(guest)
    share.overlay("first", VOLUME, "raw")
    host.take_assisted_snapshot(guest, VOLUME, "first")
    host.start(guest)
    assert chain(host, guest) == ["first", VOLUME]


@needs_qemu
def test_a_file_between_is_merged_into_the_one_below(host: QemuHypervisor, guest: str, share: Share) -> None:
    two_snapshots(host, guest, share)
    for _ in range(2):
        host.merge_assisted_snapshot(guest, VOLUME, "first", VOLUME)
        assert chain(host, guest) == ["second", VOLUME]
    assert content(share, VOLUME, "raw") == [ord("v"), 1, 0, 0]
    assert share.below("second") == VOLUME
    with pytest.raises(ValueError, match="writes to file second"):
        host.merge_assisted_snapshot(guest, VOLUME, "second", VOLUME)
    host.stop(guest)
    assert content(share, "second") == [ord("v"), 1, 2, 0]


@needs_qemu
def test_the_newest_takes_what_is_below(host: QemuHypervisor, guest: str, share: Share) -> None:
    two_snapshots(host, guest, share)
    for below in (VOLUME, None):
        for _ in range(2):
            host.merge_assisted_snapshot(guest, VOLUME, below, None)
        assert chain(host, guest) == ["second", *([below] if below else [])]
        assert share.below("second") == below
    _is_closed(share, VOLUME, "first")
    host.stop(guest)
    assert content(share, "second") == [ord("v"), 1, 2, 0]


def _is_closed(share: Share, *names: str) -> None:
    """QEMU has no lock on them: Volume may delete them."""
    for name in names:
        image("info", "-f", "raw", share.directory / name)


@needs_qemu
def test_files_of_a_guest_that_is_off(host: QemuHypervisor, guest: str, share: Share) -> None:
    two_snapshots(host, guest, share)
    host.stop(guest)
    with pytest.raises(ValueError, match="only while the guest runs"):
        host.merge_assisted_snapshot(guest, VOLUME, "first", VOLUME)
    with pytest.raises(ValueError, match="does not lie upon"):
        host.merge_assisted_snapshot(guest, VOLUME, "another", None)
    for below in (VOLUME, None):
        for _ in range(2):
            host.merge_assisted_snapshot(guest, VOLUME, below, None)
        assert share.below("second") == below
    assert content(share, "second") == [ord("v"), 1, 2, 0]


@needs_qemu
def test_what_is_no_file_on_top_is_refused(host: QemuHypervisor, guest: str, share: Share) -> None:
    share.files.make("other")
    share.overlay("elsewhere", "other", "raw")
    image("create", "-q", "-f", "qcow2", share.directory / "alone", "8M")
    (share.directory / "link").symlink_to(share.directory / "elsewhere")
    image("create", "-q", "-f", "qcow2", "-u", "-b", VOLUME, "-F", "qcow2", share.directory / "guessed", "8M")
    for wrong in ("none", "elsewhere", "alone", "link", "guessed", "../first", "..", ""):
        with pytest.raises(ValueError, match="file"):
            host.take_assisted_snapshot(guest, VOLUME, wrong)
    with pytest.raises(ValueError, match="not attached"):
        host.take_assisted_snapshot(guest, "another", "first")
    assert chain(host, guest) == [VOLUME]


def test_simulated_guests_go_on(tmp_path: Path) -> None:
    host, made = SimulatedHypervisor(file=tmp_path / "guests.json"), a_guest("image")
    host.spawn(made)
    host.attach_volume(made.id, Share(tmp_path).files.make(VOLUME))
    host.take_assisted_snapshot(made.id, VOLUME, "first")
    host.merge_assisted_snapshot(made.id, VOLUME, None, None)
    with pytest.raises(ValueError, match="not attached"):
        host.take_assisted_snapshot(made.id, "another", "first")
