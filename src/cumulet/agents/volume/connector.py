"""The other end of a volume's connection: on the host that wants to use it, a file or a local socket.

Compute's agent (and a migration's target) hands over a connection_info and gets what its hypervisor can open.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from cumulet.agents.volume.daemon import Daemon
from cumulet.agents.volume.protocols import Refused

EXPORT: Final = "disk"
_RECONNECT_S: Final = 60


class LocalDisk(NamedTuple):
    """What a hypervisor opens: a file or device in `format`, or (`socket`) an NBD export over a Unix socket."""

    path: str | None
    format: str
    socket: str | None = None
    export: str | None = None


class Connector:
    """Keeps a storage daemon below `folder` for each volume of another host."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def attach(self, connection: Mapping[str, Any], key: str | None = None) -> LocalDisk:
        """Repeating it is right: a daemon that serves the same thing goes on. Raises Refused."""
        kind, data = connection["driver_volume_type"], connection["data"]
        if kind in ("local", "simulated"):
            return LocalDisk(data["path"], data["format"])
        if kind != "nbd":
            raise Refused(f"Volumes of kind {kind} cannot be attached here.")
        if data.get("socket"):
            return LocalDisk(None, "raw", data["socket"], data["export"])
        folder = self._folder / data["volume_id"]
        return self._serve(folder, remote_node(data, folder), writable=data["access_mode"] == "rw", told=data)

    def _serve(self, folder: Path, node: list[str], *, writable: bool, told: Mapping[str, Any]) -> LocalDisk:
        daemon, socket = Daemon(folder), folder / "nbd"
        said = msgspec.json.encode([told.get(name) for name in ("host", "port", "export", "tls_key", "access_mode")])
        spec = folder / "spec"
        if daemon.pid() is None or not spec.exists() or spec.read_bytes() != said:
            daemon.stop()
            socket.unlink(missing_ok=True)
            daemon.start([*node, *served(socket, "disk", EXPORT, writable=writable)], {})
            _write_private(spec, said)
        return LocalDisk(None, "raw", str(socket), EXPORT)

    def detach(self, volume_id: str) -> None:
        """End what `attach` started for this volume; without anything to end it is right too."""
        folder = self._folder / volume_id
        if folder.exists():
            Daemon(folder).stop()
            shutil.rmtree(folder, ignore_errors=True)


def remote_node(data: Mapping[str, Any], folder: Path) -> list[str]:
    """Arguments that make the node `disk` of an NBD export elsewhere; keys are written below `folder`."""
    arguments: list[str] = []
    node: dict[str, Any] = {
        "driver": "nbd",
        "node-name": "disk",
        "server": {"type": "inet", "host": data["host"], "port": str(data["port"])},
        "export": data["export"],
        "reconnect-delay": _RECONNECT_S,
        "cache": {"direct": False},
        "read-only": data["access_mode"] != "rw",
    }
    if data.get("tls") == "psk":
        keys = folder / "tls"
        keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_private(keys / "keys.psk", f"{data['tls_username']}:{data['tls_key']}\n".encode())
        node["tls-creds"] = "tls"
        arguments = [
            "--object",
            f"tls-creds-psk,id=tls,endpoint=client,username={data['tls_username']},dir={keys}",
        ]
    return [*arguments, "--blockdev", msgspec.json.encode(node).decode()]


def served(socket: Path, node: str, export: str, *, writable: bool) -> list[str]:
    """Arguments that serve a node at a Unix socket."""
    return [
        "--nbd-server",
        f"addr.type=unix,addr.path={socket}",
        "--export",
        f"type=nbd,id=export,node-name={node},name={export},writable={'on' if writable else 'off'}",
    ]


def _write_private(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
