"""The demo's images: the small guest as a disk, and as kernel, ramdisk and root; for simulated hosts one of zeros."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cumulet.demo.login import Login

NAME = "cumulet-guest"
_MIB = 1 << 20
_HEADERS = {"Content-Type": "application/octet-stream"}


def ensure(admin: Login, guest: Path | None) -> dict[str, Any]:
    """The disk image that servers boot from, made with its companions if it is not there yet.

    `guest` is the directory that `scripts/guest` filled; None: simulated hosts, which read no image.
    """
    if guest is None:
        return _image(admin, NAME, "raw", bytes(_MIB))
    disk = _image(admin, NAME, "qcow2", (guest / "cumulet-guest.qcow2").read_bytes())
    kernel = _image(admin, "cumulet-guest-kernel", "aki", (guest / "cumulet-guest-kernel").read_bytes())
    ramdisk = _image(admin, "cumulet-guest-ramdisk", "ari", (guest / "cumulet-guest-ramdisk").read_bytes())
    parts = {"kernel_id": kernel["id"], "ramdisk_id": ramdisk["id"]}
    _image(admin, "cumulet-guest-root", "qcow2", (guest / "cumulet-guest-root.qcow2").read_bytes(), **parts)
    return disk


def _image(admin: Login, name: str, disk_format: str, data: bytes, **properties: str) -> dict[str, Any]:
    known = _known(admin, name)
    for image in known:
        if image["status"] == "active":
            return image
    container = disk_format if disk_format in ("aki", "ari") else "bare"
    document = {
        "name": name,
        "disk_format": disk_format,
        "container_format": container,
        "visibility": "public",
        **properties,
    }
    # One that an earlier, interrupted run left without data is filled now.
    image = known[0] if known else admin.create("image", "/v2/images", document)
    admin.call("PUT", "image", f"/v2/images/{image['id']}/file", data=data, headers=_HEADERS)
    found: dict[str, Any] = admin.show("image", f"/v2/images/{image['id']}")
    return found


def _known(admin: Login, name: str) -> list[dict[str, Any]]:
    return [image for image in admin.show("image", "/v2/images", name=name) if image["name"] == name]


def files() -> Iterator[str]:
    """What `scripts/guest` must have made."""
    yield from ("cumulet-guest.qcow2", "cumulet-guest-kernel", "cumulet-guest-ramdisk", "cumulet-guest-root.qcow2")
