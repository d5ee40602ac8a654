"""Local disks of a guest: the root over its shared image, ephemeral and swap disks, the config drive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cumulet.agents.compute import config_drive
from cumulet.agents.compute.images import Base, size_in_gb
from cumulet.agents.compute.protocols import Guest
from cumulet.agents.compute.run import image_tool, run

GB = 1 << 30
ROOT, SWAP, CONFIG = "disk", "disk.swap", "disk.config"


def ephemeral(number: int) -> str:
    return f"disk.eph{number}"


def make_root(directory: Path, base: Base, size_gb: int, name: str = ROOT) -> None:
    """An overlay that holds only what the guest changes. 0 GB means as large as the image.

    Raises ValueError when the image needs more than the flavor gives.
    """
    if size_gb and base.size > size_gb * GB:
        raise ValueError(
            f"Flavor's disk is too small for requested image. Flavor disk is {size_gb * GB} bytes, "
            f"image is {base.size} bytes ({size_in_gb(base.size)} GB)."
        )
    part = directory / f".{name}.part"
    size = str(size_gb * GB if size_gb else base.size)
    options = ["-o", "cluster_size=64k,lazy_refcounts=on", "-b", str(base.path), "-F", "raw"]
    image_tool("create", "-q", "-f", "qcow2", *options, part, size)
    part.replace(directory / name)


def make_empty(directory: Path, name: str, size_mb: int) -> Path:
    """A sparse raw disk."""
    part = directory / f".{name}.part"
    with part.open("wb") as file:
        file.truncate(size_mb << 20)
    return part


def make_ephemeral(directory: Path, number: int, size_gb: int, kind: str) -> None:
    part = make_empty(directory, ephemeral(number), size_gb * 1024)
    label = f"ephemeral{number}"
    if kind == "xfs":
        run(["mkfs.xfs", "-q", "-f", "-L", label, part])
    else:
        lazy = "lazy_itable_init=1,lazy_journal_init=1,nodiscard"
        run([f"mkfs.{kind}", "-q", "-F", "-L", label, "-E", lazy, part])
    part.replace(directory / ephemeral(number))


def make_swap(directory: Path, size_mb: int) -> None:
    part = make_empty(directory, SWAP, size_mb)
    run(["mkswap", "-q", part])
    part.replace(directory / SWAP)


def make_config_drive(directory: Path, guest: Guest) -> None:
    part = directory / f".{CONFIG}.part"
    config_drive.write(part, guest.drive)
    part.replace(directory / CONFIG)


def overlay_node(path: str, base: Path, node: str) -> dict[str, Any]:
    """A root disk with its shared image below, named outright: QEMU does not follow what a header says."""
    return {
        "driver": "qcow2",
        "node-name": node,
        "discard": "unmap",
        "file": {"driver": "file", "filename": path},
        "backing": {
            "driver": "raw",
            "node-name": f"{node}-base",
            "read-only": True,
            "file": {"driver": "file", "filename": str(base)},
        },
    }


def flat_node(path: str, node: str, *, kind: str = "raw", readonly: bool = False) -> dict[str, Any]:
    made: dict[str, Any] = {
        "driver": kind,
        "node-name": node,
        "read-only": readonly,
        "file": {"driver": "file", "filename": path},
    }
    if not readonly:
        made["discard"] = "unmap"
    if kind == "qcow2":
        made["backing"] = None
    return made
