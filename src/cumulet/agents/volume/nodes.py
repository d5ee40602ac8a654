"""QEMU's block nodes for files of this host and images of Ceph, as arguments of its storage daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec


def qcow2_node(path: Path, *, writable: bool, encrypted: bool, name: str = "disk") -> list[str]:
    """The node of a qcow2 file; with `encrypted` the secret object `key` opens it."""
    return file_node(path, "qcow2", writable=writable, encrypted=encrypted, name=name)


def file_node(path: Path, format_: str, *, writable: bool, encrypted: bool = False, name: str = "disk") -> list[str]:
    return ["--blockdev", msgspec.json.encode(description(path, format_, writable, encrypted, name)).decode()]


def description(path: Path, format_: str, writable: bool, encrypted: bool, name: str) -> dict[str, Any]:
    node: dict[str, Any] = {
        "driver": format_,
        "node-name": name,
        "read-only": not writable,
        "discard": "unmap",
        "file": {
            "driver": "host_device" if path.is_block_device() else "file",
            "filename": str(path),
            "aio": "threads",
            "discard": "unmap",
        },
    }
    if encrypted:
        node["encrypt"] = {"format": "luks", "key-secret": "key"}
    return node


def rbd_node(
    pool: str, image: str, snapshot: str | None, *, conf: Path, user: str | None, writable: bool
) -> dict[str, Any]:
    """The node `disk` of an image in Ceph. `conf` names the monitors and leads to the user's key."""
    node: dict[str, Any] = {
        "driver": "rbd",
        "node-name": "disk",
        "pool": pool,
        "image": image,
        "conf": str(conf.absolute()),
        "read-only": not writable,
        "discard": "unmap",
    }
    told = {"user": user, "snapshot": snapshot}
    return node | {key: value for key, value in told.items() if value is not None}
