"""Volumes served to other hosts over NBD with TLS: one storage daemon each, which outlives the agent."""

from __future__ import annotations

import contextlib
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from cumulet.agents.volume.daemon import Daemon
from cumulet.agents.volume.durable import write_durably
from cumulet.agents.volume.keys import Keys
from cumulet.agents.volume.nodes import description
from cumulet.agents.volume.protocols import Refused

_ANYBODY: Final = "cumulet"
_EXPORT: Final = "volume"
_TRIES: Final = 200
_BACKLOG: Final = 16
_FAR: Final = "far"
_RECONNECT_S: Final = 60
_OLD_PORT_S: Final = 10.0

_PRIORITY: Final = "NORMAL:-CIPHER-ALL:+AES-128-GCM:+CHACHA20-POLY1305:%SERVER_PRECEDENCE"
"""A PSK goes with SHA-256, so left alone GnuTLS takes ChaCha20, which costs more than twice what AES-128-GCM does."""


class Served(msgspec.Struct):
    """What a daemon serves. Without `port` it is at a Unix socket of this host."""

    path: str
    format: str
    export: str
    writable: bool
    encrypted: bool
    port: int | None = None


class Exports:
    """The exports of one back end, below `folder`. `address`: where other hosts reach this one."""

    def __init__(self, folder: Path, *, address: str, first_port: int, tls: bool = True) -> None:
        self._folder = folder
        self._address = address
        self._first_port = first_port
        self._tls = tls
        self._seen: set[str] = set()

    def of(self, volume_id: str) -> Served | None:
        """What is served of a volume, whether or not its daemon lives."""
        return _spec(self._folder / volume_id)

    def is_alive(self, volume_id: str) -> bool:
        return Daemon(self._folder / volume_id).pid() is not None

    def open(
        self,
        volume_id: str,
        path: Path,
        format_: str,
        *,
        writable: bool,
        local: bool,
        key: str | None,
        user: str = _ANYBODY,
    ) -> dict[str, Any]:
        """Serve a volume; what a connection_info needs to say. One that is served already stays as it is, and grows
        from read-only to writable when that is asked for. `user`: by what name it is opened from another host."""
        folder = self._folder / volume_id
        served = self.of(volume_id)
        if served is None or not self.is_alive(volume_id) or (writable and not served.writable):
            unix = local if served is None else served.port is None
            served = self._serve(volume_id, path, format_, writable=writable, unix=unix, key=key, before=served)
        if served.port is None and not local:
            return self._told(volume_id, self._relay(folder, served), user)
        return self._told(volume_id, served, user)

    def _serve(
        self,
        volume_id: str,
        path: Path,
        format_: str,
        *,
        writable: bool,
        unix: bool,
        key: str | None,
        before: Served | None,
    ) -> Served:
        folder = self._folder / volume_id
        Daemon(folder).stop()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        wanted = Served(
            path=str(path),
            format=format_,
            export=f"volume-{volume_id}",
            writable=writable or (before is not None and before.writable),
            encrypted=key is not None,
            port=before.port if before is not None else None,
        )
        node = description(path, format_, wanted.writable, wanted.encrypted, "disk")
        self._start(folder, folder, wanted, node, unix, key)
        return wanted

    def _relay(self, folder: Path, served: Served) -> Served:
        """A daemon serves at one place. So what guests of this host reach at a Unix socket, others reach through a
        second daemon, which is a client of the first."""
        far = folder / _FAR
        known = _spec(far)
        if known is not None and Daemon(far).pid() is not None and (known.writable or not served.writable):
            return known
        Daemon(far).stop()
        far.mkdir(mode=0o700, exist_ok=True)
        wanted = msgspec.structs.replace(served, port=None if known is None else known.port)
        node = {
            "driver": "nbd",
            "node-name": "disk",
            "server": {"type": "unix", "path": str(folder / "nbd")},
            "export": served.export,
            "reconnect-delay": _RECONNECT_S,
            "read-only": not served.writable,
            "discard": "unmap",
        }
        self._start(folder, far, wanted, node, False, None)
        return wanted

    def mend(self, volume_id: str) -> None:
        """Start again what others reach a volume through, if that has died, and serve what an agent before this one
        had taken away for a moment."""
        folder, served = self._folder / volume_id, self.of(volume_id)
        if served is None:
            return
        if _spec(folder / _FAR) is not None:
            self._relay(folder, served)
        if volume_id not in self._seen:
            for at in (folder, folder / _FAR):
                if (spec := _spec(at)) is not None:
                    _offer(Daemon(at), spec)
            self._seen.add(volume_id)

    def _start(self, folder: Path, at: Path, wanted: Served, node: dict[str, Any], unix: bool, key: str | None) -> None:
        """A daemon below `at`; the export's key is in `folder`. Raises Refused when no port is free."""
        with contextlib.ExitStack() as stack:
            listener = None if unix else stack.enter_context(self._listener(wanted.port))
            wanted.port = None if listener is None else listener.getsockname()[1]
            inherited = [] if listener is None else [listener.fileno()]
            arguments = ["--blockdev", msgspec.json.encode(node).decode(), *self._arguments(folder, wanted, inherited)]
            Daemon(at).start(arguments, {"key": key} if key is not None else {}, inherited)
            write_durably(at / "spec", msgspec.json.encode(wanted))

    def _listener(self, before: int | None) -> socket.socket:
        """A socket at the port it had before, or at a free one that was no other export's, for the daemon to accept at:
        after a host's start guests look for their volumes where these were.

        TCP_NODELAY, which Linux hands on to what is accepted: the daemon does not set it itself, and its answers of
        two pieces would wait for the other side's delayed acknowledgements, 40 ms each.
        """
        limit = time.monotonic() + _OLD_PORT_S
        while before is not None and time.monotonic() < limit:
            listener = self._bound(before)
            if listener is not None:
                return listener
            time.sleep(0.02)  # a daemon that is being killed lets go of its port last
        others = self._ports()
        for port in range(self._first_port, self._first_port + _TRIES):
            listener = None if port in others else self._bound(port)
            if listener is not None:
                return listener
        raise Refused(f"No port from {self._first_port} on is free for another export.")

    def _ports(self) -> set[int | None]:
        """Those of all exports, of this host's other back ends too, whether or not they are served now."""
        specs = [*self._folder.parent.glob("*/*/spec"), *self._folder.parent.glob(f"*/*/{_FAR}/spec")]
        return {served.port for spec in specs if (served := _spec(spec.parent)) is not None}

    def _bound(self, port: int) -> socket.socket | None:
        listener = socket.socket(socket.AF_INET6 if ":" in self._address else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            listener.bind((self._address, port))
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            return None
        return listener

    def _arguments(self, folder: Path, wanted: Served, inherited: list[int]) -> list[str]:
        arguments: list[str] = []
        if wanted.port is None:
            arguments += ["--nbd-server", f"addr.type=unix,addr.path={folder / 'nbd'}"]
            (folder / "nbd").unlink(missing_ok=True)
        else:
            server = f"addr.type=fd,addr.str={inherited[0]},max-connections=0"
            if self._tls:
                keys = Keys(folder / "tls")
                keys.prepare()
                arguments += [
                    "--object",
                    f"tls-creds-psk,id=tls,endpoint=server,dir={keys.folder},priority={_PRIORITY}",
                ]
                server += ",tls-creds=tls"
            arguments += ["--nbd-server", server]
        export = f"type=nbd,id={_EXPORT},node-name=disk,name={wanted.export}"
        return [*arguments, "--export", f"{export},writable={'on' if wanted.writable else 'off'}"]

    def _told(self, volume_id: str, served: Served, user: str) -> dict[str, Any]:
        folder = self._folder / volume_id
        if served.port is None:
            return {"host": None, "port": None, "socket": str(folder / "nbd"), "export": served.export, "tls": None}
        told: dict[str, Any] = {"host": self._address, "port": served.port, "socket": None, "export": served.export}
        if not self._tls:
            return {**told, "tls": None}
        return {**told, "tls": "psk", "tls_username": user, "tls_key": Keys(folder / "tls").of(user)}

    def close(self, volume_id: str) -> None:
        """End it: what clients wrote and flushed is in the file."""
        folder = self._folder / volume_id
        if folder.exists():
            Daemon(folder / _FAR).stop()  # it writes out to the other, which writes to the disk
            Daemon(folder).stop()
            shutil.rmtree(folder, ignore_errors=True)

    def end(self, volume_id: str, user: str) -> None:
        """Let a host in no more; without any other the export ends."""
        self.withdraw(volume_id, user)
        if not Keys(self._folder / volume_id / "tls").names() - {_ANYBODY}:
            self.close(volume_id)

    def purge(self) -> None:
        """End them all, and leave no directory behind."""
        for one in self._folder.iterdir() if self._folder.exists() else ():
            self.close(one.name)
        shutil.rmtree(self._folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # other clouds' are in it, or it never was
            self._folder.parent.rmdir()

    # -- while clients use it --------------------------------------------------------------------------------------

    def switch(self, volume_id: str, overlay: Path) -> None:
        """Have the daemon write to `overlay`, which has what it writes to now as its backing file."""
        served, daemon = self.of(volume_id), Daemon(self._folder / volume_id)
        if served is None or served.path == str(overlay):
            return
        name, top = _node_of(overlay), _top(daemon, served)
        if top != name:
            if name not in _nodes(daemon):
                node = description(overlay, "qcow2", True, False, name)
                daemon.ask(("blockdev-add", {**node, "backing": None}))
            daemon.ask(("blockdev-snapshot", {"node": top, "overlay": name}))
        served.path, served.format = str(overlay), "qcow2"
        write_durably(self._folder / volume_id / "spec", msgspec.json.encode(served))

    def grow(self, volume_id: str, size: int) -> None:
        """A disk can only grow while nobody is connected, so clients are cut off for a moment and come back."""
        served, daemon = self.of(volume_id), Daemon(self._folder / volume_id)
        if served is None:
            return
        with _cut_off(daemon, served) as node:
            _resize(daemon, node, size)
        far = self._folder / volume_id / _FAR
        if _spec(far) is not None:  # a client that exports in turn stays as small as it was
            Daemon(far).stop()
            self._relay(self._folder / volume_id, served)

    def withdraw(self, volume_id: str, user: str) -> None:
        """Let one of several hosts in no more. All are cut off for a moment, and the others come back."""
        folder, served = self._folder / volume_id, self.of(volume_id)
        keys = Keys(folder / "tls")
        if served is None or not keys.withdraw(user):
            return
        at = folder if served.port is not None else folder / _FAR
        spec, daemon = _spec(at), Daemon(at)
        if spec is not None and daemon.pid() is not None:
            with _cut_off(daemon, spec):
                pass
        keys.withdrawn(user)


def _spec(folder: Path) -> Served | None:
    try:
        return msgspec.json.decode((folder / "spec").read_bytes(), type=Served)
    except FileNotFoundError:
        return None


def _node_of(overlay: Path) -> str:
    """A layer's node goes by the layer's name, so that whoever looks again finds it; at most 31 characters."""
    return f"o{overlay.stem}"[:31]


def _nodes(daemon: Daemon) -> set[str]:
    return {str(node["node-name"]) for node in daemon.ask(("query-named-block-nodes", {"flat": True}))[0]}


def _top(daemon: Daemon, served: Served) -> str:
    """The node that clients write to; while they are cut off nothing is exported."""
    exports = daemon.ask(("query-block-exports", {}))[0]
    if exports:
        return str(exports[0]["node-name"])
    name = _node_of(Path(served.path))
    return name if name in _nodes(daemon) else "disk"


@contextlib.contextmanager
def _cut_off(daemon: Daemon, served: Served) -> Iterator[str]:
    """While nobody is connected; the node that clients write to. They come back by themselves."""
    node = _top(daemon, served)
    if _is_offered(daemon):
        daemon.ask(("block-export-del", {"id": _EXPORT, "mode": "hard"}))
    try:
        yield node
    finally:
        _offer(daemon, served)


def _offer(daemon: Daemon, served: Served) -> None:
    """Export it; what is exported already stays."""
    export = {"type": "nbd", "id": _EXPORT, "name": served.export, "writable": served.writable}
    if not _is_offered(daemon):
        _insist(daemon, "block-export-add", {**export, "node-name": _top(daemon, served)}, "in use")


def _is_offered(daemon: Daemon) -> bool:
    return any(not export["shutting-down"] for export in daemon.ask(("query-block-exports", {}))[0])


def _resize(daemon: Daemon, node: str, size: int) -> None:
    _insist(daemon, "block_resize", {"node-name": node, "size": size}, "onflict")


def _insist(daemon: Daemon, command: str, arguments: dict[str, Any], while_: str) -> None:
    """An export that was just ended lets go of its name and its node a moment later."""
    for attempt in range(100):
        try:
            daemon.ask((command, arguments))
            return
        except Refused as error:
            if while_ not in str(error) or attempt == 99:
                raise
            time.sleep(0.05)
