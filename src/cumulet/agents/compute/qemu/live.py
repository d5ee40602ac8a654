"""Live migration. The target waits for the source, is told the machine as it is, and takes disks, then memory.

Both ends know one key made for this journey: it seals what they say to each other, and QEMU's own connections (NBD for
disks, the migration stream for memory) are in TLS with it. Sources: QEMU's QMP reference (blockdev-mirror,
migrate, nbd-server-start) and docs/devel/migration.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
import threading
import time
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from cumulet.agents.compute.folders import Record
from cumulet.agents.compute.protocols import Guest
from cumulet.agents.compute.qemu import addresses, building, disks, firmware, power, processes, transfer, volumes
from cumulet.agents.compute.qemu.host import Host
from cumulet.agents.compute.qemu.monitor import Monitor, MonitorError, MonitorGone
from cumulet.agents.compute.run import image_tool
from cumulet.agents.network import netns

log = logging.getLogger(__name__)

_WAIT_S: Final = 600.0  # for the source to come
_MOVE_S: Final = 3600.0
_ANSWER_S: Final = 60.0
_LENGTH: Final = struct.Struct("!I")
_LONGEST: Final = 8 << 20
_UNLIMITED: Final = 1 << 40  # bytes a second
_DOWNTIME_MS: Final = 500
_UNDER_WAY: Final = ("setup", "active", "pre-switchover", "device", "cancelling")


class LiveError(RuntimeError):
    """A live migration that did not come to its end; the guest runs where it was."""


class Sealed:
    """Messages between the two hosts: JSON, sealed with the key."""

    def __init__(self, connection: socket.socket, key: str) -> None:
        self._connection = connection
        self._seal = Fernet(key.encode())

    def send(self, message: dict[str, Any]) -> None:
        data = self._seal.encrypt(msgspec.json.encode(message))
        self._connection.sendall(_LENGTH.pack(len(data)) + data)

    def receive(self, within_s: float) -> dict[str, Any]:
        """Raises LiveError for a message that is no one's of ours, OSError when the connection ends."""
        self._connection.settimeout(within_s)
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if length > _LONGEST:
            raise LiveError("the other host sent what is no message")
        try:
            message: dict[str, Any] = msgspec.json.decode(self._seal.decrypt(self._exactly(length)))
        except InvalidToken:
            raise LiveError("the other host does not have the key of this migration") from None
        return message

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._connection.recv(size - len(data))
            if not piece:
                raise ConnectionError("the other host ended the connection")
            data += piece
        return data


# -- the target ----------------------------------------------------------------------------------------------------


def prepare(host: Host, guest: Guest, *, copy_disks: bool) -> dict[str, Any]:
    """Wait for the source in a thread. A second call takes the first one's place."""
    guest = building.with_image(host, guest)
    present = host.folders.find(guest.id)
    if present is not None and present.state == "built":
        raise ValueError(f"guest {guest.id} is on this host already")
    cancel(host, guest.id)
    host.folders.make(guest.id)
    host.folders.save(Record(guest=guest, state="incoming", wanted="stopped"))
    key = Fernet.generate_key().decode()
    address = host.config.address
    port = transfer.free_port(address, host.config.host_namespace)
    with netns.inside(host.config.host_namespace):
        listener = socket.create_server((address, port))
    _waiting[str(host.folders.of(guest.id))] = listener
    threading.Thread(
        target=_wait, args=(host, guest, listener, key, copy_disks), name=f"live-{guest.id}", daemon=True
    ).start()
    return {"host": address, "port": port, "key": key, "tls_key": transfer.new_key(), "copy_disks": copy_disks}


_waiting: dict[str, socket.socket] = {}


def _wait(host: Host, guest: Guest, listener: socket.socket, key: str, copy_disks: bool) -> None:
    try:
        with listener:
            listener.settimeout(_WAIT_S)
            connection, _ = listener.accept()
        with connection:
            _take(host, guest, Sealed(connection, key), copy_disks)
    except Exception:  # a thread of its own: nobody above it would tell
        log.exception("guest %s did not arrive", guest.id)
    finally:
        if _waiting.get(str(host.folders.of(guest.id))) is listener:
            del _waiting[str(host.folders.of(guest.id))]


def _take(host: Host, guest: Guest, source: Sealed, copy_disks: bool) -> None:
    directory = host.folders.of(guest.id)
    told = source.receive(_ANSWER_S)
    try:
        ports = _receive_into(host, guest, told, copy_disks)
    except Exception as error:  # the other host is told every reason
        source.send({"error": str(error)})
        raise
    with power.listening(directory):
        source.send(ports)
        _await_arrival(directory)
        _go_on(host, guest.id, str(told["wanted"]), copied=copy_disks)
    transfer.forget_key(directory)
    source.send({"arrived": True})


def _go_on(host: Host, server_id: str, wanted: str, *, copied: bool) -> None:
    record = host.folders.load(server_id)
    with processes.monitor(host.folders.of(server_id)) as monitor:
        if copied:
            monitor.ask("nbd-server-stop")
        record.state = "built"
        power.wish(host, record, wanted)
        if wanted != "paused":
            monitor.ask("cont")


def _receive_into(host: Host, guest: Guest, told: dict[str, Any], copy_disks: bool) -> dict[str, Any]:
    """A QEMU that looks like the source's, waiting for disks and memory."""
    config, directory = host.config, host.folders.of(guest.id)
    record = msgspec.convert(told["record"], Record)
    record.guest, record.state, record.wanted = guest, "incoming", "paused"
    _local_disks(host, record, told["sizes"], copy_disks)
    host.folders.save(record)
    host.plug(record)
    credentials = transfer.write_key(directory, told["tls_key"], "server")
    power.await_memory(host, record)
    with processes.monitor(directory) as monitor:
        monitor.execute("object-add", credentials)
        answer: dict[str, Any] = {"disks": {}}
        port = None
        if copy_disks:
            port = transfer.free_port(config.address, config.host_namespace)
            address = {"type": "inet", "data": {"host": config.address, "port": str(port)}}
            monitor.ask("nbd-server-start", addr=address, tls_creds="move-tls", max_connections=0)
            for name in told["sizes"]:
                monitor.ask("block-export-add", type="nbd", id=f"x-{name}", node_name=name, name=name, writable=True)
            answer["nbd_port"] = port
        _set(monitor, {"events": True, "pause-before-switchover": True})
        monitor.ask("migrate-set-parameters", tls_creds="move-tls")
        memory = transfer.free_port(config.address, config.host_namespace, but=port)
        monitor.ask("migrate-incoming", uri=f"tcp:{_bracketed(config.address)}:{memory}")
    return answer | {"port": memory}


def _local_disks(host: Host, record: Record, sizes: dict[str, int], copy_disks: bool) -> None:
    directory = host.folders.of(record.id)
    _own_connections(record)
    files = {"root": disks.ROOT, "ephemeral0": disks.ephemeral(0), "swap": disks.SWAP}
    for drive in record.drives:
        volumes.write_keys(directory, drive)
        name = str(drive.node["node-name"])
        if drive.id == "config":
            disks.make_config_drive(directory, addresses.filled(record))
        elif name in sizes and copy_disks:
            kind = "qcow2" if name == "root" else "raw"
            image_tool("create", "-q", "-f", kind, directory / files[name], str(sizes[name]))
            drive.node = disks.flat_node(files[name], name, kind=kind)
    if record.kernel:
        record.kernel = building.kernel_of(host, record.guest.image)
    firmware.make(directory, record.machine["firmware"])


def _own_connections(record: Record) -> None:
    """A volume is reached from here in its own way, at the same place in the machine."""
    here = {disk.volume_id: disk for disk in record.guest.volumes}
    for drive in record.drives:
        disk = here.get(drive.volume_id or "")
        if disk is not None:
            volumes.open_as(drive, disk)


def _await_arrival(directory: Path) -> None:
    deadline = time.monotonic() + _MOVE_S
    while True:
        with processes.questions(directory) as monitor:
            state = monitor.ask("query-migrate").get("status")
            if state == "completed":
                return
        if state in ("failed", "cancelled") or time.monotonic() > deadline:
            raise LiveError(f"memory did not arrive: {state}")
        time.sleep(0.02)


def cancel(host: Host, server_id: str) -> None:
    """Remove what was made for a guest that did not come; one that did is left alone."""
    listener = _waiting.pop(str(host.folders.of(server_id)), None)
    if listener is not None:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    record = host.folders.find(server_id)
    if record is None or record.state != "incoming":
        return
    directory = host.folders.of(server_id)
    processes.kill(directory)
    host.unplug(record)
    host.folders.remove(server_id)


# -- the source ----------------------------------------------------------------------------------------------------


def migrate(host: Host, record: Record, target: dict[str, Any]) -> None:
    directory = host.folders.of(record.id)
    if processes.pid_of(directory) is None:
        raise LiveError("the guest is not running")
    if has_left(directory, record):
        _forget(host, record)
        return
    with netns.inside(host.config.host_namespace):
        connection = socket.create_connection((target["host"], int(target["port"])), timeout=_ANSWER_S)
    with connection:
        other = Sealed(connection, str(target["key"]))
        with processes.monitor(directory) as monitor:
            _tidy(monitor, record)
            sizes = _sizes(monitor, record)
            told = {"record": record, "sizes": sizes, "tls_key": target["tls_key"], "wanted": record.wanted}
            other.send(msgspec.to_builtins(told))
            ports = other.receive(_MOVE_S)
            if "error" in ports:
                raise LiveError(f"the other host could not take it: {ports['error']}")
            try:
                monitor.execute("object-add", transfer.write_key(directory, str(target["tls_key"]), "client"))
                if target["copy_disks"]:
                    _mirror(monitor, target["host"], int(ports["nbd_port"]), list(sizes))
                record.leaving = True
                host.folders.save(record)
                _move_memory(monitor, target["host"], int(ports["port"]), list(sizes) if target["copy_disks"] else [])
            except BaseException:
                _stay(monitor, record)
                record.leaving = False
                host.folders.save(record)
                raise
            finally:
                transfer.forget_key(directory)
        if not other.receive(_ANSWER_S).get("arrived"):
            raise LiveError("the other host did not say that the guest arrived")
    _forget(host, record)


def has_left(directory: Path, record: Record) -> bool:
    """Whether its memory has gone over to the other host, and only its empty machine is still here."""
    return record.leaving and processes.status(directory) == "postmigrate"


def _forget(host: Host, record: Record) -> None:
    processes.kill(host.folders.of(record.id))
    host.unplug(record)
    host.folders.remove(record.id)


def _sizes(monitor: Monitor, record: Record) -> dict[str, int]:
    """Bytes of each local disk that is written to, by its node."""
    nodes = {node["node-name"]: node["image"]["virtual-size"] for node in monitor.ask("query-named-block-nodes")}
    local = [drive for drive in record.drives if drive.volume_id is None and not drive.readonly]
    return {str(drive.node["node-name"]): nodes[drive.node["node-name"]] for drive in local}


def _mirror(monitor: Monitor, host: str, port: int, names: list[str]) -> None:
    """Copy disks while they are written to, until both ends are the same."""
    for name in names:
        node = {
            "driver": "raw",
            "node-name": f"to-{name}",
            "file": {
                "driver": "nbd",
                "server": {"type": "inet", "host": host, "port": str(port)},
                "export": name,
                "tls-creds": "move-tls",
            },
        }
        monitor.execute("blockdev-add", node)
        monitor.ask("blockdev-mirror", job_id=f"mirror-{name}", device=name, target=f"to-{name}", sync="full")
    deadline = time.monotonic() + _MOVE_S
    while True:
        jobs = {job["device"]: job for job in monitor.ask("query-block-jobs")}
        if any(f"mirror-{name}" not in jobs for name in names):
            raise LiveError("a disk could not be copied")
        if all(jobs[f"mirror-{name}"]["ready"] for name in names):
            return
        if time.monotonic() > deadline:
            raise LiveError("the disks could not be copied in time")
        time.sleep(0.05)


def _move_memory(monitor: Monitor, host: str, port: int, mirrored: list[str]) -> None:
    _set(monitor, {"events": True, "pause-before-switchover": True, "auto-converge": True})
    monitor.ask(
        "migrate-set-parameters",
        max_bandwidth=_UNLIMITED,
        downtime_limit=_DOWNTIME_MS,
        tls_creds="move-tls",
        tls_hostname="",
    )
    monitor.ask("migrate", uri=f"tcp:{_bracketed(host)}:{port}")
    deadline = time.monotonic() + _MOVE_S
    while True:
        state = monitor.ask("query-migrate")
        status = state.get("status")
        if status == "completed":
            return
        if status == "pre-switchover":
            _end_mirrors(monitor, mirrored)
            monitor.ask("migrate-continue", state="pre-switchover")
        if status == "cancelled":
            raise LiveError("the live migration was aborted")
        if status == "failed" or time.monotonic() > deadline:
            raise LiveError(f"the guest's memory could not be moved: {state.get('error-desc', 'out of time')}")
        time.sleep(0.01)


def _end_mirrors(monitor: Monitor, names: list[str]) -> None:
    """The guest stands still: what is on the way arrives, then the copies are whole."""
    for name in names:
        monitor.ask("block-job-cancel", device=f"mirror-{name}")
    deadline = time.monotonic() + _ANSWER_S
    while monitor.ask("query-block-jobs"):
        if time.monotonic() > deadline:
            raise LiveError("the copy of a disk did not come to its end")
        time.sleep(0.01)


def _stay(monitor: Monitor, record: Record) -> None:
    """It did not work out: the guest goes on here."""
    try:
        with contextlib.suppress(MonitorError):
            monitor.ask("migrate_cancel")
        deadline = time.monotonic() + _ANSWER_S
        while monitor.ask("query-migrate").get("status") in _UNDER_WAY:
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        _tidy(monitor, record)
        if record.wanted == "running" and monitor.ask("query-status")["status"] != "running":
            monitor.ask("cont")
    except (MonitorGone, MonitorError, TimeoutError) as error:
        log.error("guest %s after its failed migration: %s", record.id, error)


def _tidy(monitor: Monitor, record: Record) -> None:
    """What an earlier attempt may have left."""
    for job in monitor.ask("query-block-jobs"):
        if str(job["device"]).startswith("mirror-"):
            with contextlib.suppress(MonitorError):
                monitor.ask("block-job-cancel", device=job["device"], force=True)
    deadline = time.monotonic() + _ANSWER_S
    while any(str(job["device"]).startswith("mirror-") for job in monitor.ask("query-block-jobs")):
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    for drive in record.drives:
        with contextlib.suppress(MonitorError):
            monitor.ask("blockdev-del", node_name=f"to-{drive.node['node-name']}")
    with contextlib.suppress(MonitorError):
        monitor.ask("migrate-set-parameters", tls_creds="", tls_hostname="")
    with contextlib.suppress(MonitorError):
        monitor.ask("object-del", id="move-tls")


def _set(monitor: Monitor, capabilities: dict[str, bool]) -> None:
    listed = [{"capability": name, "state": state} for name, state in capabilities.items()]
    monitor.ask("migrate-set-capabilities", capabilities=listed)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def abort(directory: Path) -> None:
    with processes.questions(directory) as monitor:
        monitor.ask("migrate_cancel")


def force(directory: Path) -> None:
    """Stand still, so that nothing is left to be sent again."""
    with processes.questions(directory) as monitor:
        monitor.ask("stop")


def progress(directory: Path) -> dict[str, int]:
    with processes.questions(directory) as monitor:
        memory = monitor.ask("query-migrate").get("ram") or {}
        jobs = [job for job in monitor.ask("query-block-jobs") if str(job["device"]).startswith("mirror-")]
    total, done = sum(job["len"] for job in jobs), sum(job["offset"] for job in jobs)
    return {
        "memory_total": int(memory.get("total", 0)),
        "memory_processed": int(memory.get("transferred", 0)),
        "memory_remaining": int(memory.get("remaining", 0)),
        "disk_total": total,
        "disk_processed": done,
        "disk_remaining": total - done,
    }
