"""Images as an attacker makes them: headers packed by hand, no larger than they need to be."""

from __future__ import annotations

import struct

MIB = 1 << 20


def qcow2(
    *, size: int = MIB, version: int = 3, backing: bytes = b"", data_file: bool = False, features: int = 0
) -> bytes:
    """A qcow2 header. `features` are bits of the incompatible ones; the data file is one of them."""
    backing_offset = 512 if backing else 0
    header = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", version, backing_offset, len(backing), 16, size, 0, 1, 3 << 16, 1 << 16, 1, 0, 0
    )
    incompatible = features | (4 if data_file else 0)
    header += struct.pack(">QQQII", incompatible, 0, 0, 4, 112) + bytes(8)
    return header.ljust(512, b"\0") + backing.ljust(512, b"\0") + bytes(1 << 16)


def vmdk(*, kind: str = "monolithicSparse", extents: str = 'RW 2048 SPARSE "disk.vmdk"', footer: bool = False) -> bytes:
    """A VMDK with an embedded description."""
    header = struct.pack(
        "<4sIIQQQQIQQQB", b"KDMV", 1, 3, 2048, 128, 1, 20, 512, 21, (1 << 64) - 1 if footer else 26, 128, 0
    )
    return header.ljust(512, b"\0") + description(kind, extents).ljust(20 * 512, b"\0") + bytes(1 << 16)


def description(kind: str = "monolithicFlat", extents: str = 'RW 2048 FLAT "/etc/shadow" 0') -> bytes:
    """The text that a VMDK consists of when its data lies elsewhere."""
    return (
        f'# Disk DescriptorFile\nversion=1\nCID=7a3b9c1d\nparentCID=ffffffff\ncreateType="{kind}"\n\n'
        f'# Extent description\n{extents}\n\n# The Disk Data Base\nddb.adapterType = "ide"\n'
    ).encode()


def vdi(size: int = MIB) -> bytes:
    return (bytes(0x40) + struct.pack("<I", 0xBEDA107F)).ljust(0x170, b"\0") + struct.pack("<Q", size) + bytes(1 << 16)


def vhd(size: int = MIB) -> bytes:
    return (b"conectix" + bytes(32) + struct.pack(">Q", size)).ljust(512, b"\0") + bytes(1 << 16)


def qed() -> bytes:
    return b"QED\0" + bytes(1 << 16)


def partition(kind: int, *, boot: int = 0, start: int = 1, begin: bytes = b"\0\2\0") -> bytes:
    return struct.pack("<B3sB3sII", boot, begin, kind, b"\xff\xff\xff", start, 2047)


def mbr(*partitions: bytes) -> bytes:
    """A disk that begins with a partition table."""
    return bytes(446) + b"".join(partitions).ljust(64, b"\0") + b"\x55\xaa" + bytes(MIB)


def gpt() -> bytes:
    return mbr(partition(0xEE))


def iso(blocks: int = 32) -> bytes:
    """An ISO 9660 primary volume descriptor."""
    descriptor = bytearray(b"\1CD001\1".ljust(2048, b"\0"))
    descriptor[80:88] = struct.pack("<I", blocks) + struct.pack(">I", blocks)
    descriptor[128:132] = struct.pack("<H", 2048) + struct.pack(">H", 2048)
    return bytes(32 << 10) + bytes(descriptor) + bytes(blocks * 2048 - (34 << 10))


def hybrid_iso() -> bytes:
    """One that also boots from a disk: it begins with a partition table."""
    return mbr(partition(0xEE))[:512] + iso()[512:]
