"""Disks on their way to another host: exported read-only over NBD, inside TLS with a key made for this one journey."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from cumulet.agents.compute import run
from cumulet.agents.compute.folders import Record
from cumulet.agents.compute.qemu import firmware, tpm
from cumulet.agents.compute.qemu.host import Host
from cumulet.agents.compute.run import CommandFailed, image_tool
from cumulet.agents.network import netns
from cumulet.kernel.settings import write_private

USER: Final = "cumulet"
KEYS: Final = "keys-move"
_PID: Final = "export.pid"
_LOG: Final = "export.log"
_PORTS: Final = range(49152, 49216)  # where libvirt, too, takes guests from other hosts
_START_S: Final = 15.0


def new_key() -> str:
    return secrets.token_hex(32)


def write_key(directory: Path, key: str, role: str) -> dict[str, Any]:
    """Put the key where QEMU reads it; returns the object that names it. `role`: server or client."""
    folder = directory / KEYS
    folder.mkdir(mode=0o700, exist_ok=True)
    write_private(folder / "keys.psk", f"{USER}:{key}\n".encode())
    made = {"qom-type": "tls-creds-psk", "id": "move-tls", "endpoint": role, "dir": str(folder)}
    return made | ({"username": USER} if role == "client" else {})


def forget_key(directory: Path) -> None:
    shutil.rmtree(directory / KEYS, ignore_errors=True)


def free_port(address: str, namespace: str | None, *, but: int | None = None) -> int:
    """A port of the migration range that nobody has at the moment. Raises OSError when all are taken."""
    with netns.inside(namespace):
        for port in _PORTS:
            if port == but:
                continue
            with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with contextlib.suppress(OSError):
                    probe.bind((address, port))
                    return port
    raise OSError(f"all ports from {_PORTS.start} to {_PORTS.stop - 1} are taken at {address}")


def export(host: Host, record: Record) -> dict[str, Any]:
    """Offer its local disks, and its firmware's and TPM's memory. They stay offered until `withdraw`, also when this
    agent dies."""
    directory = host.folders.of(record.id)
    withdraw(directory)
    key = new_key()
    config = host.config
    port = free_port(config.address, config.host_namespace)
    local = [drive for drive in record.drives if drive.volume_id is None and drive.id != "config"]
    exports = {drive.id: drive.node for drive in local} | _memories(directory)
    arguments = ["qemu-storage-daemon", "--pidfile", _PID, "--object", _json(write_key(directory, key, "server"))]
    for one in exports.values():
        node = {name: value for name, value in one.items() if name != "discard"} | {"read-only": True}
        arguments += ["--blockdev", _json(node)]
    address = {"type": "inet", "host": config.address, "port": str(port)}
    arguments += ["--nbd-server", _json({"addr": address, "tls-creds": "move-tls", "max-connections": 0})]
    for offered, one in exports.items():
        name = str(one["node-name"])
        arguments += ["--export", _json({"type": "nbd", "id": f"x-{name}", "node-name": name, "name": offered})]
    if exports:
        _start(arguments, directory, config.address, port, config.host_namespace)
    sizes = {name: (directory / name).stat().st_size for name in _memories(directory)}
    disks = [drive.id for drive in local]
    return {"host": config.address, "port": port, "key": key, "disks": disks, "files": sizes}


def _memories(directory: Path) -> dict[str, dict[str, Any]]:
    """Small files that are a part of the machine, by path: the node that offers each."""
    names = [*([firmware.VARIABLES] if (directory / firmware.VARIABLES).exists() else []), *tpm.files(directory)]
    return {
        name: {"driver": "raw", "node-name": f"file{at}", "file": {"driver": "file", "filename": name}}
        for at, name in enumerate(names)
    }


def fetch_memories(host: Host, directory: Path, offer: dict[str, Any]) -> None:
    """Those that the other host offers, each as long as it was there (an export is of whole sectors)."""
    for name, size in offer.get("files", {}).items():
        target = directory / name
        if target.exists() or not target.resolve().is_relative_to(directory.resolve()):
            continue
        target.parent.mkdir(mode=0o700, exist_ok=True)
        arrived = target.with_name(f".{target.name}.arrived")
        fetch(host, directory, offer, name, arrived, "raw")
        os.truncate(arrived, int(size))
        arrived.chmod(0o600)
        arrived.replace(target)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _start(arguments: list[str], directory: Path, address: str, port: int, namespace: str | None) -> None:
    with netns.inside(namespace):
        child = run.start(arguments, directory, _LOG)
    deadline = time.monotonic() + _START_S
    while not _answers(address, port, namespace):
        if child.poll() is not None:
            raise CommandFailed(f"the disks cannot be offered: {(directory / _LOG).read_text(errors='replace')[-500:]}")
        if time.monotonic() > deadline:
            child.kill()
            raise CommandFailed("the disks cannot be offered: their server does not answer")
        time.sleep(0.02)


def _answers(address: str, port: int, namespace: str | None) -> bool:
    with netns.inside(namespace):
        try:
            socket.create_connection((address, port), timeout=1.0).close()
        except OSError:
            return False
    return True


def withdraw(directory: Path) -> None:
    """End an offer; without one nothing happens."""
    try:
        pid = int((directory / _PID).read_text())
        if Path(f"/proc/{pid}/cwd").readlink() == directory.resolve():
            os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError):
        pass
    (directory / _PID).unlink(missing_ok=True)
    forget_key(directory)


def fetch(host: Host, directory: Path, offer: dict[str, Any], name: str, target: Path, kind: str) -> None:
    """Copy one offered disk into a file of its own."""
    credentials = write_key(directory, str(offer["key"]), "client")
    source = {
        "driver": "nbd",
        "export": name,
        "tls-creds": "move-tls",
        "server.type": "inet",
        "server.host": str(offer["host"]),
        "server.port": str(offer["port"]),
    }
    words = ",".join(f"{key}={value}" for key, value in source.items())
    described = ",".join(f"{key}={value}" for key, value in credentials.items() if key != "qom-type")
    part = target.with_name(f".{target.name}.part")
    try:
        with netns.inside(host.config.host_namespace):
            image_tool(
                *("convert", "--object", f"tls-creds-psk,{described}", "--image-opts"),
                *("-O", kind, "-W", "-m", "16", words, part),
            )
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
        forget_key(directory)
