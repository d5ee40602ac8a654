"""The images of `images_manifest_file`: every format as QEMU makes it, and some that are not what they claim."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from tests.image import hostile

_MADE: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("qcow2", "qcow2", ()),
    ("qcow2-v2", "qcow2", ("-o", "compat=0.10")),
    ("vmdk-sparse", "vmdk", ()),
    ("vmdk-stream-with-footer", "vmdk", ("-o", "subformat=streamOptimized")),
    ("vdi", "vdi", ()),
    ("vhd", "vpc", ("-o", "force_size=on")),
    ("vhdx", "vhdx", ()),
)
"""The test's name, QEMU's name of the format, and its options."""
_GLANCE_NAME = {"vpc": "vhd"}
_UNUSABLE = {
    "qcow2-that-is-vdi": ("qcow2", hostile.vdi()),
    "vmdk-that-is-qcow2": ("vmdk", hostile.qcow2()),
    "vhdx-that-is-vdi": ("vhdx", hostile.vdi()),
}
"""Data that is not what it is said to be, and not raw. What is dangerous is not among them: Image never takes it
(`tests/image`), so it cannot be told what Compute would make of it."""


def write(directory: Path) -> dict[str, str]:
    """The files and their manifest in a new directory; what tempest.conf is told: nothing without qemu-img."""
    program = shutil.which("qemu-img")
    if program is None:
        return {}
    directory.mkdir()
    raw = directory / "raw"
    raw.write_bytes(bytes(1 << 20))
    (directory / "iso").write_bytes(hostile.iso())
    listed = [_entry("raw", "raw"), _entry("iso", "iso")]
    for name, kind, options in _MADE:
        subprocess.run(
            [program, "convert", "-f", "raw", "-O", kind, *options, str(raw), str(directory / name)], check=True
        )
        listed.append(_entry(name, _GLANCE_NAME.get(kind, kind)))
    for name, (disk_format, data) in _UNUSABLE.items():
        (directory / name).write_bytes(data)
        listed.append(_entry(name, disk_format, usable=False))
    manifest = directory / "manifest.yaml"
    manifest.write_text(json.dumps({"images": listed}))  # which is YAML, too
    return {"IMAGES_MANIFEST": str(manifest)}


def _entry(name: str, disk_format: str, *, usable: bool = True) -> dict[str, object]:
    return {"name": name, "filename": name, "format": disk_format, "usable": usable}
