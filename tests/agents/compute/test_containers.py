"""What of containers can be told without making one: the filter of system calls, their view, their disks' names."""

from __future__ import annotations

import errno
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from cumulet.agents.compute.container import building, cgroups, interception, rebuilding, rootfs, system, view
from cumulet.agents.compute.folders import Record
from cumulet.agents.compute.protocols import Disk
from tests.agents.compute.support import a_guest

X86_64, I386 = 0xC000003E, 0x40000003
ALLOW, ASK = 0x7FFF0000, 0x7FC00000
NO_CALL, NOT_PERMITTED = 0x00050000 | errno.ENOSYS, 0x00050000 | errno.EPERM
REMOUNT, BIND, NODEV, MOVE, SHARED = 32, 4096, 4, 0x2000, 1 << 20


def judged(number: int, flags: int = 0, arch: int = X86_64) -> int:
    """What the kernel's filter machine makes of a call whose fourth argument is `flags`."""
    data = struct.pack("=iIQ6Q", number, arch, 0, 0, 0, 0, flags, 0, 0)
    program, at, accumulator = interception._program(), 0, 0
    while True:
        operation, if_true, if_false, operand = program[at]
        at += 1
        match operation:
            case 0x20:
                accumulator = struct.unpack_from("=I", data, operand)[0]
            case 0x54:
                accumulator &= operand
            case 0x06:
                return operand
            case 0x15:
                at += if_true if accumulator == operand else if_false
            case 0x35:
                at += if_true if accumulator >= operand else if_false
            case 0x45:
                at += if_true if accumulator & operand else if_false
            case _:
                raise AssertionError(f"operation {operation:#x}")


def test_new_mounts_are_asked_for_and_others_are_the_kernels() -> None:
    assert judged(165, 0) == ASK
    assert judged(165, system.MS_RDONLY | NODEV) == ASK
    assert judged(165, 0xC0ED0000 | system.MS_RDONLY) == ASK  # the old magic number has bits of propagation in it
    assert judged(165, 0xC0ED0000 | BIND) == ALLOW
    for flags in (BIND, MOVE, SHARED, REMOUNT | NODEV, REMOUNT | BIND | NODEV):
        assert judged(165, flags) == ALLOW
    assert [judged(number) for number in (0, 1, 166, 257)] == [ALLOW] * 4


@pytest.mark.parametrize(("arch", "mount"), [(X86_64, 165), (I386, 21)])
def test_nothing_takes_nodev_from_a_mount(arch: int, mount: int) -> None:
    assert judged(mount, REMOUNT | BIND, arch) == NOT_PERMITTED
    assert judged(mount, REMOUNT | BIND | system.MS_NOSUID, arch) == NOT_PERMITTED
    for number in (428, 429, 430, 431, 432, 433, 442, 467):
        assert judged(number, 0, arch) == NO_CALL


def test_calls_of_other_machines_do_not_exist() -> None:
    assert judged(165 | 0x40000000) == NO_CALL
    assert judged(165, 0, 0xC00000B7) == NO_CALL
    assert judged(21, 0, I386) == ALLOW  # which the kernel then refuses


def test_a_mount_has_only_options_that_harm_nobody() -> None:
    assert interception._options("") == []
    assert interception._options("errors=continue,discard") == ["discard"]
    for said in ("errors=panic", "journal_path=/dev/loop0", "discard,sb=1"):
        with pytest.raises(OSError, match="mount options"):
            interception._options(said)


def test_the_view_follows_what_is_plugged(tmp_path: Path) -> None:
    view.make(tmp_path, [0], 64, "/nowhere")
    made = tmp_path / "view"
    assert made.joinpath("cpuinfo").read_text().count("processor\t:") == 1
    assert "MemTotal:          65536 kB" in made.joinpath("meminfo").read_text()
    disks = [view.Shown("vda", 7, 3, 1 << 30, False), view.Shown("vdb", 7, 4, 1 << 20, True, "abc")]
    inode = (made / "partitions").stat().st_ino
    for now in (disks, disks[:1], disks):
        view.show_disks(tmp_path, now)
        assert [line.split()[3] for line in (made / "partitions").read_text().splitlines()[2:]] == [d.name for d in now]
        assert sorted(entry.name for entry in (made / "block").iterdir()) == [disk.name for disk in now]
        assert len(list((made / "numbers").iterdir())) == len(now)
    assert (made / "partitions").stat().st_ino == inode  # it is mounted: the container sees what is written into it
    assert (made / "block" / "vdb" / "ro").read_text() == "1\n"
    assert (made / "numbers" / "7:4").readlink() == Path("../../block/vdb")


def test_a_serial_number_reads_as_of_a_virtio_disk(tmp_path: Path) -> None:
    view.make(tmp_path, [0], 64, "/nowhere")
    volume_id = "0b5bf0ef-3ea5-44a4-9f1e-5a27e2f0b7a5"
    view.show_disks(tmp_path, [view.Shown("vdb", 7, 4, 1 << 20, False, volume_id)])
    shown = tmp_path / "view" / "block" / "vdb" / "serial"
    assert shown.read_text() == "0b5bf0ef-3ea5-44a4-9"
    view.show_disks(tmp_path, [view.Shown("vdb", 7, 4, 1 << 20, False)])
    assert shown.read_text() == ""


def test_processors_are_read_as_the_kernel_writes_them() -> None:
    assert cgroups._numbers("0-2,5\n") == [0, 1, 2, 5]
    assert cgroups._numbers("\n") == []
    assert len(cgroups.choose_processors("nobody", 1)) == 1


def _disk(volume_id: str, device: str, boot_index: int | None = None) -> Disk:
    connection = {"driver_volume_type": "local", "data": {"path": f"/{volume_id}", "format": "raw"}}
    return Disk(volume_id, device, connection, boot_index=boot_index)


def test_disks_have_the_names_that_were_asked_for_where_they_are_free() -> None:
    volumes = [_disk("one", "/dev/vdb"), _disk("two", "/dev/vde"), _disk("three", "/dev/sdb")]
    guest = a_guest("image", flavor={"ephemeral": 1, "swap": 8}, volumes=volumes)
    record = Record(guest=guest)
    building.lay_out(record)
    assert [drive.device for drive in record.drives] == [
        "/dev/vda",
        "/dev/vdb",
        "/dev/vdc",
        "/dev/vdd",
        "/dev/vde",
        "/dev/vdf",
    ]
    assert [drive.id for drive in record.drives][:3] == ["disk-root", "disk-ephemeral0", "disk-swap"]


def test_a_root_volume_is_the_first_disk() -> None:
    record = Record(guest=a_guest(None, volumes=[_disk("data", "/dev/vdb", 1), _disk("root", "/dev/vda", 0)]))
    building.lay_out(record)
    assert [(drive.volume_id, drive.device) for drive in record.drives] == [("root", "/dev/vda"), ("data", "/dev/vdb")]
    with pytest.raises(ValueError, match="neither an image nor a volume"):
        building.lay_out(Record(guest=a_guest(None)))


def test_a_volume_detached_while_rescued_does_not_come_back() -> None:
    record = Record(guest=a_guest("image", volumes=[_disk("one", "/dev/vdb"), _disk("two", "/dev/vdc")]))
    building.lay_out(record)
    record.rescue = {"drives": [{"id": drive.id, "slot": 0, "node": {}} for drive in record.drives]}
    record.drives = [drive for drive in record.drives if drive.volume_id != "one"]
    rebuilding._restore(record)
    assert [drive.id for drive in record.drives] == ["disk-root", "volume-two"]


def test_a_disk_without_a_root_is_refused(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1 << 20))
    with pytest.raises(ValueError, match="no ext file system"):
        rootfs.offset_of_root(disk)


@pytest.mark.skipif(shutil.which("mke2fs") is None, reason="e2fsprogs is not installed")
def test_a_root_whose_journal_has_yet_to_be_read_is_found(tmp_path: Path) -> None:
    tree, disk, start = tmp_path / "tree", tmp_path / "disk", 1 << 20
    (tree / "sbin").mkdir(parents=True)
    (tree / "sbin" / "init").write_text("#!/bin/sh\n")
    options = ["-q", "-t", "ext4", "-b", "1024", "-O", "metadata_csum", "-E", f"offset={start}", "-d", str(tree)]
    subprocess.run(["mke2fs", *options, str(disk), "8M"], check=True, capture_output=True)
    table = bytearray(512)
    table[446 + 8 : 446 + 12] = (start // 512).to_bytes(4, "little")
    said = subprocess.run(["dumpe2fs", f"{disk}?offset={start}"], check=True, capture_output=True).stdout.decode()
    place = start + int(said.partition("Block bitmap at ")[2].split()[0]) * 1024
    with disk.open("r+b") as file:
        file.write(table)
        file.seek(place)
        file.write(bytes(64))  # the map is not what its checksum says, as it is until the journal is read
    assert rootfs.offset_of_root(disk) == start
