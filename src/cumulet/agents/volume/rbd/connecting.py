"""What guests' hosts are told of a volume, and who was told: metadata of its image."""

from __future__ import annotations

import time
from typing import Any, Final

from cumulet.agents.volume.protocols import raw_disk
from cumulet.agents.volume.rbd.images import Images
from cumulet.agents.volume.rbd.options import RbdOptions

_MONITORS_S: Final = 300.0


class Connecting:
    """Guests' hypervisors open images themselves."""

    def __init__(self, options: RbdOptions, images: Images) -> None:
        self._options, self._images = options, images
        self._monitors: list[tuple[str, str]] = []
        self._due = 0.0

    def connect(self, volume_id: str, attachment_id: str, mode: str) -> dict[str, Any]:
        """A connection_info. The key is not in it: hosts have it, in ceph.conf's keyring or as a secret of libvirt."""
        name = f"volume-{volume_id}"
        image = self._images.get(name)
        monitors = self._reached()
        self._images.note(name, _note(volume_id, attachment_id), mode)
        data = {
            "name": f"{self._options.pool}/{name}",
            "hosts": [host for host, _ in monitors],
            "ports": [port for _, port in monitors],
            "cluster_name": self._options.cluster,
            "auth_enabled": self._options.user is not None,
            "auth_username": self._options.user,
            "secret_type": "ceph",
            "secret_uuid": self._options.secret_uuid,
            "ceph_conf": str(self._options.conf),
            **raw_disk(volume_id, mode, image.size),
        }
        return {"driver_volume_type": "rbd", "data": data}

    def disconnect(self, volume_id: str, attachment_id: str) -> None:
        self._images.forget(f"volume-{volume_id}", _note(volume_id, attachment_id))

    def attachments(self, volume_id: str) -> list[str]:
        """Their ids."""
        prefix = _note(volume_id, "")
        notes = self._images.notes(f"volume-{volume_id}")
        return [name.removeprefix(prefix) for name in notes if name.startswith(prefix)]

    def _reached(self) -> list[tuple[str, str]]:
        """Where the monitors listen. They change seldom."""
        if time.monotonic() >= self._due:
            said = self._images.tools.ask_cluster("mon", "dump")
            self._monitors = [_split(monitor["public_addr"]) for monitor in said["mons"]]
            self._due = time.monotonic() + _MONITORS_S
        return self._monitors


def _split(address: str) -> tuple[str, str]:
    """`192.0.2.1:6789/0` or `[2001:db8::1]:6789/0`."""
    host, _, port = address.partition("/")[0].rpartition(":")
    return host.strip("[]"), port


def _note(volume_id: str, attachment_id: str) -> str:
    """A clone has its source's metadata too, so notes name the volume."""
    return f"cumulet.attached.{volume_id}.{attachment_id}"
