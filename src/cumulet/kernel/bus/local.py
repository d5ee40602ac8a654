"""The carrier of one machine, calling side: Unix sockets below the run directory.

`<run>/bus/<host>` is a link to the socket of the process that serves the host (see `local_server`).
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cumulet.kernel.bus.contract import CALL_TIMEOUT_S, CAST_LIFE_S, Method
from cumulet.kernel.bus.errors import CallTimeout, HostUnreachable
from cumulet.kernel.bus.frames import receive_frame, send_frame
from cumulet.kernel.bus.unix import short_path
from cumulet.kernel.bus.wire import CALL, CAST, FANOUT, decode_reply, encode, make_request, value_of
from cumulet.kernel.context import Context

_CONNECT_S = 5.0
_IDLE_S = 30.0
_MOST_IDLE = 16
_PEER = struct.Struct("3i")  # pid, uid, gid: struct ucred of unix(7)


def file_name(host: str) -> str:
    """The link's name for a host: any host, no other directory, no hidden file."""
    name = quote(host, safe="")
    if not name or len(name) > 200:
        raise ValueError(f"not a host name for the bus: {host!r}")
    return "%2E" + name[1:] if name.startswith(".") else name


def allowed_users(directory: Path) -> frozenset[int]:
    """Who may talk here: root, this process's user, and the user whose cloud this is (the directory's owner).

    The last lets a root agent and an unprivileged engine meet; the directory itself is closed to everyone else.
    """
    return frozenset((0, os.geteuid(), directory.stat().st_uid))


def peer_user(sock: socket.socket) -> int:
    """The uid at the other end, as the kernel knows it."""
    return int(_PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))[1])


class LocalBus:
    """Calls hosts that processes of this machine serve. Connections are kept and used again."""

    def __init__(self, run_dir: str | os.PathLike[str]) -> None:
        self._directory = Path(run_dir) / "bus"
        self._lock = threading.Lock()
        self._idle: dict[str, list[tuple[float, socket.socket]]] = {}

    def call(
        self,
        host: str,
        method: str,
        args: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = CALL_TIMEOUT_S,
        ctx: Context | None = None,
        call_id: str | None = None,
    ) -> Any:
        data = encode(make_request(CALL, host, method, args, timeout_s, ctx, call_id))
        try:
            reply = self._exchange(host, data, time.monotonic() + timeout_s)
        except TimeoutError:
            raise CallTimeout(host, method, timeout_s) from None
        return value_of(decode_reply(reply))

    def cast(
        self, host: str, method: str, args: Mapping[str, Any] | None = None, *, ctx: Context | None = None
    ) -> None:
        data = encode(make_request(CAST, host, method, args, CAST_LIFE_S, ctx))
        try:
            self._exchange(host, data, time.monotonic() + _CONNECT_S)
        except TimeoutError:
            raise HostUnreachable(host, "it does not take messages") from None

    def fanout(self, method: str, args: Mapping[str, Any] | None = None, *, ctx: Context | None = None) -> None:
        data = encode(make_request(FANOUT, "", method, args, CAST_LIFE_S, ctx))
        for link in self._one_link_a_server():
            # A server that died is no receiver; a fanout may be lost.
            with contextlib.suppress(HostUnreachable, TimeoutError):
                self._exchange_at(link, link.name, data, time.monotonic() + _CONNECT_S)

    def serve(
        self,
        host: str | Sequence[str],
        methods: Mapping[str, Method],
        stop: threading.Event,
        *,
        ready: threading.Event | None = None,
    ) -> None:
        from cumulet.kernel.bus.local_server import LocalServer

        LocalServer(self._directory, [host] if isinstance(host, str) else host, methods).run(stop, ready)

    def close(self) -> None:
        with self._lock:
            kept = [sock for idle in self._idle.values() for _, sock in idle]
            self._idle.clear()
        for sock in kept:
            sock.close()

    def _one_link_a_server(self) -> list[Path]:
        links: dict[str, Path] = {}
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(self._directory):
                if entry.is_symlink():
                    with contextlib.suppress(FileNotFoundError):
                        links[str(Path(entry.path).readlink())] = Path(entry.path)
        return list(links.values())

    def _exchange(self, host: str, data: bytes, deadline: float) -> bytearray:
        return self._exchange_at(self._directory / file_name(host), host, data, deadline)

    def _exchange_at(self, link: Path, host: str, data: bytes, deadline: float) -> bytearray:
        """Send a frame and get its answer, over a kept connection if there is one.

        Connections are kept by the socket they lead to, which may serve thousands of (simulated) hosts.
        A connection that breaks is tried once more anew: the serving side answers a repeated id from memory.
        Raises TimeoutError at the deadline, HostUnreachable when nobody is there.
        """
        broken: OSError | None = None
        for _ in range(3):
            try:
                server = str(link.readlink())
            except OSError:
                raise HostUnreachable(host, "nobody serves it") from None
            sock = self._take(server)
            fresh = sock is None
            if sock is None:
                sock = self._connect(link, host, deadline)
            try:
                sock.settimeout(max(0.001, deadline - time.monotonic()))
                send_frame(sock, data)
                reply = receive_frame(sock, deadline)
            except TimeoutError:
                sock.close()
                raise
            except OSError as error:
                sock.close()
                if fresh and broken is not None:
                    raise HostUnreachable(host, f"it went away before it answered ({error})") from error
                broken = error if fresh else broken
                if not fresh:
                    self._forget(server)  # it has gone, so they are all dead
                continue
            except BaseException:
                sock.close()
                raise
            self._keep(server, sock)
            return reply
        raise HostUnreachable(host, f"it went away before it answered ({broken})")

    def _connect(self, link: Path, host: str, deadline: float) -> socket.socket:
        end = min(deadline, time.monotonic() + _CONNECT_S)
        while True:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            try:
                with short_path(link) as name:
                    sock.connect(name)
                if peer_user(sock) not in allowed_users(self._directory):
                    raise HostUnreachable(host, "its socket belongs to another user")
                return sock
            except BlockingIOError:
                # The queue of connections is full: the server is alive, but busy.
                sock.close()
                if time.monotonic() >= end:
                    raise TimeoutError from None
                time.sleep(0.005)
            except (FileNotFoundError, ConnectionRefusedError):
                sock.close()
                raise HostUnreachable(host, "nobody serves it") from None
            except OSError as error:
                sock.close()
                raise HostUnreachable(host, str(error)) from error
            except BaseException:
                sock.close()
                raise

    def _take(self, server: str) -> socket.socket | None:
        now = time.monotonic()
        stale: list[socket.socket] = []
        found = None
        with self._lock:
            idle = self._idle.get(server, [])
            while idle and found is None:
                since, sock = idle.pop()
                if now - since < _IDLE_S:
                    found = sock
                else:
                    stale.append(sock)
        for sock in stale:
            sock.close()
        return found

    def _keep(self, server: str, sock: socket.socket) -> None:
        left: list[socket.socket] = []
        now = time.monotonic()
        with self._lock:
            if server not in self._idle:
                left = self._leave(now)
            idle = self._idle.setdefault(server, [])
            if len(idle) < _MOST_IDLE:
                idle.append((now, sock))
            else:
                left.append(sock)
        for one in left:
            one.close()

    def _leave(self, now: float) -> list[socket.socket]:
        """Take out the connections to servers that nobody has called for a while: most are gone for good."""
        old = [server for server, idle in self._idle.items() if all(now - since >= _IDLE_S for since, _ in idle)]
        return [sock for server in old for _, sock in self._idle.pop(server)]

    def _forget(self, server: str) -> None:
        with self._lock:
            idle = self._idle.pop(server, [])
        for _, sock in idle:
            sock.close()
