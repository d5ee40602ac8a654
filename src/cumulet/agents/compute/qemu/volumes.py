"""How QEMU opens a volume, by the connection that Volume describes (`driver_volume_type` and `data`)."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from oslo_utils.uuidutils import is_uuid_like

from cumulet.agents.compute.folders import Drive, Record
from cumulet.agents.compute.protocols import Disk
from cumulet.agents.compute.qemu import limits
from cumulet.agents.network import netns
from cumulet.kernel.settings import write_private

_RECONNECT_S: Final = 10
_ANSWER_S: Final = 3.0
_LOOK_S: Final = 0.2
_LIBVIRT_SECRETS: Final = Path("/etc/libvirt/secrets")
_FILE_FORMATS: Final = frozenset({"raw", "qcow2"})


def node_of(disk: Disk) -> dict[str, Any]:
    """The block node of a volume. Raises ValueError for a kind of connection this host cannot make."""
    kind = str(disk.connection.get("driver_volume_type") or "")
    data = disk.connection.get("data") or {}
    make = _KINDS.get(kind)
    if make is None:
        known = ", ".join(sorted(_KINDS))
        raise ValueError(f"volume {disk.volume_id}: a connection of type {kind!r} is not known here ({known} are)")
    if data.get("encrypted"):
        raise ValueError(f"volume {disk.volume_id} is encrypted, and this host has no way to its key")
    protocol = make(data)
    if keys_of(disk):
        protocol["tls-creds"] = f"{node_name(disk.volume_id)}-tls"
    if _ceph_secret(disk) is not None:
        protocol["key-secret"] = f"{node_name(disk.volume_id)}-key"
    made: dict[str, Any] = {
        "driver": str(data.get("format") or "raw"),
        "node-name": node_name(disk.volume_id),
        "read-only": str(data.get("access_mode") or "rw") == "ro",
        "cache": {"direct": False, "no-flush": False},
        "file": protocol,
    }
    if made["driver"] not in _FILE_FORMATS:
        raise ValueError(f"volume {disk.volume_id}: format {made['driver']!r} is not known here")
    if not made["read-only"]:
        made["discard"] = "unmap"
    return made


def objects_of(disk: Disk) -> list[dict[str, Any]]:
    """The credentials that its node names: a key that both ends know (docs/volume-backends.md)."""
    secret = _ceph_secret(disk)
    if secret is not None:
        key = f"{node_name(disk.volume_id)}-key"
        return [{"qom-type": "secret", "id": key, "format": "base64", "file": str(secret)}]
    if not keys_of(disk):
        return []
    data = disk.connection["data"]
    username = str(data.get("tls_username") or "cumulet")
    directory = keys_directory(disk.volume_id)
    return [
        {
            "qom-type": "tls-creds-psk",
            "id": f"{node_name(disk.volume_id)}-tls",
            "endpoint": "client",
            "username": username,
            "dir": directory,
        }
    ]


def _ceph_secret(disk: Disk) -> Path | None:
    """Where libvirt keeps the key of Ceph's user, on a host that has it. Otherwise ceph.conf says where the key is."""
    data = disk.connection.get("data") or {}
    if disk.connection.get("driver_volume_type") != "rbd" or not is_uuid_like(data.get("secret_uuid")):
        return None
    file = _LIBVIRT_SECRETS / f"{data['secret_uuid']}.base64"
    return file if file.is_file() else None


def keys_of(disk: Disk) -> dict[str, str]:
    data = disk.connection.get("data") or {}
    if data.get("tls") != "psk":
        return {}
    return {keys_directory(disk.volume_id): f"{data.get('tls_username') or 'cumulet'}:{data['tls_key']}\n"}


def keys_directory(volume_id: str) -> str:
    return f"keys-{volume_id}"


def write_keys(directory: Path, drive: Drive) -> None:
    for name, text in drive.keys.items():
        (directory / name).mkdir(mode=0o700, exist_ok=True)
        write_private(directory / name / "keys.psk", text.encode())


def forget_keys(directory: Path, drive: Drive) -> None:
    for name in drive.keys:
        shutil.rmtree(directory / name, ignore_errors=True)


def renew(directory: Path, record: Record, disks: list[Disk]) -> list[Disk]:
    """Have a guest that is off open its volumes by these connections, and forget those that are not among them.

    Returns the disks that it does not have yet.
    """
    wanted = {disk.volume_id: disk for disk in disks}
    for drive in [one for one in record.drives if one.volume_id is not None]:
        forget_keys(directory, drive)
        disk = wanted.pop(str(drive.volume_id), None)
        if disk is None:
            record.drives.remove(drive)
            continue
        open_as(drive, disk)
        write_keys(directory, drive)
    return list(wanted.values())


def open_as(drive: Drive, disk: Disk) -> None:
    """Enter how a volume is reached from here, and what it is held to."""
    drive.node, drive.objects, drive.keys = node_of(disk), objects_of(disk), keys_of(disk)
    drive.limits = limits.of_volume(disk)


def node_name(volume_id: str) -> str:
    """At most 31 characters, as QEMU wants."""
    return "v" + volume_id.replace("-", "")[:30]


class NotServed(RuntimeError):
    """A volume's host does not answer where it serves the volume."""


def await_served(drives: Iterable[Drive], namespace: str | None, *, within_s: float) -> None:
    """Wait until what serves each drive over NBD can be reached: after a host's start that may come later than what
    needs it. Raises NotServed."""
    deadline = time.monotonic() + within_s
    for drive in drives:
        protocol = drive.node.get("file", {})
        if protocol.get("driver") != "nbd":
            continue
        while (trouble := _trouble(protocol["server"], namespace)) is not None:
            if time.monotonic() >= deadline:
                raise NotServed(f"volume {drive.volume_id} is not served yet: {trouble}")
            time.sleep(_LOOK_S)


def _trouble(server: dict[str, Any], namespace: str | None) -> str | None:
    """Why nobody answers there, None when somebody does."""
    unix = server["type"] == "unix"
    address = server["path"] if unix else (server["host"], int(server["port"]))
    try:
        with netns.inside(namespace), socket.socket(socket.AF_UNIX if unix else _family(server["host"])) as probe:
            probe.settimeout(_ANSWER_S)
            probe.connect(address)
    except OSError as error:
        return f"{server['path'] if unix else ':'.join(map(str, address))}: {error}"
    return None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _local(data: dict[str, Any]) -> dict[str, Any]:
    path = str(data.get("device_path") or data.get("path") or "")
    if not path.startswith("/"):
        raise ValueError(f"a volume's path must be absolute, not {path!r}")
    return {"driver": "host_device" if Path(path).is_block_device() else "file", "filename": path}


def _nbd(data: dict[str, Any]) -> dict[str, Any]:
    """`host`, `port`, `export`; or `socket`/`path`; or `uri` (nbd://host:port/export, nbd+unix:///export?socket=…)."""
    if data.get("uri"):
        return _nbd_uri(str(data["uri"]))
    socket_path = data.get("socket")
    server: dict[str, Any]
    if socket_path:
        server = {"type": "unix", "path": str(socket_path)}
    else:
        server = {"type": "inet", "host": str(data["host"]), "port": str(data.get("port") or 10809)}
    export = data.get("export", data.get("name", ""))
    return {"driver": "nbd", "server": server, "export": str(export), "reconnect-delay": _RECONNECT_S}


def _nbd_uri(uri: str) -> dict[str, Any]:
    parts = urlsplit(uri)
    if parts.scheme == "nbd+unix":
        path = unquote(parts.query.removeprefix("socket="))
        return _nbd({"socket": path, "export": unquote(parts.path.lstrip("/"))})
    return _nbd({"host": parts.hostname, "port": parts.port, "export": unquote(parts.path.lstrip("/"))})


def _rbd(data: dict[str, Any]) -> dict[str, Any]:
    pool, _, image = str(data.get("name") or "").partition("/")
    hosts, ports = data.get("hosts") or [], data.get("ports") or []
    made: dict[str, Any] = {"driver": "rbd", "pool": pool, "image": image}
    if hosts:
        made["server"] = [{"host": str(h), "port": str(p)} for h, p in zip(hosts, ports, strict=True)]
    if data.get("auth_enabled") and data.get("auth_username"):
        made["user"] = str(data["auth_username"])
    conf = str(data.get("ceph_conf") or "")
    if conf.startswith("/") and Path(conf).is_file():
        made["conf"] = conf
    return made


def _iscsi(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "driver": "iscsi",
        "transport": "tcp",
        "portal": str(data["target_portal"]),
        "target": str(data["target_iqn"]),
        "lun": int(data.get("target_lun") or 0),
        **({"user": str(data["auth_username"])} if data.get("auth_username") else {}),
    }


_KINDS: Final = {"local": _local, "nbd": _nbd, "rbd": _rbd, "iscsi": _iscsi}
