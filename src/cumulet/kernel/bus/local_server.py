"""The carrier of one machine, serving side.

A server listens at a hidden socket of its own, and each host it serves is a link to that socket. A link is replaced
in one step, so a restarted server takes its hosts over without a moment at which nobody is there.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import selectors
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cumulet.kernel.bus.contract import Method
from cumulet.kernel.bus.frames import Disconnected, receive_frame, send_frame
from cumulet.kernel.bus.local import allowed_users, file_name, peer_user
from cumulet.kernel.bus.responder import Responder
from cumulet.kernel.bus.unix import short_path
from cumulet.kernel.bus.wire import CALL, Reply, decode_request, encode

log = logging.getLogger(__name__)

_LOOK_S = 0.5
_DRAIN_S = 5.0
_IDLE_S = 60.0  # longer than a caller keeps an idle connection
_SEND_S = 30.0
_MOST_CONNECTIONS = 256
_CAST_THREADS = 16
_BACKLOG = 1024
_STARTING = ".starting"
_START_S = 60.0
_TAKEN = encode(Reply(""))


class LocalServer:
    """Serves hosts at one socket: a thread for each connection, so that calls do not wait for one another."""

    def __init__(self, directory: Path, hosts: Sequence[str], methods: Mapping[str, Method]) -> None:
        self._directory = directory
        self._links = [directory / file_name(host) for host in hosts]
        self._responder = Responder(hosts, methods)
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._stopping = False
        self._casts = ThreadPoolExecutor(_CAST_THREADS, thread_name_prefix="bus-cast")

    def run(self, stop: threading.Event, ready: threading.Event | None) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()
        path = self._directory / f".{os.getpid()}-{secrets.token_hex(4)}"
        listener = self._listen(path)
        try:
            self._link(path.name)
            if ready is not None:
                ready.set()
            self._accept_until(stop, listener)
        finally:
            self._stopping = True
            self._unlink(path.name)
            listener.close()
            path.unlink(missing_ok=True)
            self._responder.wait_idle(_DRAIN_S)
            self._casts.shutdown(wait=False, cancel_futures=True)
            self._disconnect()

    def _listen(self, path: Path) -> socket.socket:
        """Listen at `path`. The socket gets that name only when it answers: `_sweep` takes a silent one for dead."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        starting = path.with_name(f"{path.name}{_STARTING}")
        with short_path(starting) as name:
            listener.bind(name)
            # Nobody can connect before `listen`, so the socket is never open to others.
            Path(name).chmod(0o600)
            owner = self._directory.stat()
            if os.geteuid() == 0 and owner.st_uid != 0:
                os.chown(name, owner.st_uid, owner.st_gid)
        listener.listen(_BACKLOG)
        starting.rename(path)
        return listener

    def _link(self, target: str) -> None:
        for link in self._links:
            new = link.with_name(f"{target}.new")
            new.symlink_to(target)
            new.replace(link)

    def _unlink(self, target: str) -> None:
        for link in self._links:
            with contextlib.suppress(OSError):
                if str(link.readlink()) == target:  # not a successor's
                    link.unlink()

    def _sweep(self) -> None:
        """Remove the sockets of servers that were killed, and the links to them."""
        dead: set[str] = set()
        entries = list(os.scandir(self._directory))
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                if entry.is_symlink() or not entry.name.startswith("."):
                    continue
                if entry.name.endswith(_STARTING) and time.time() - entry.stat().st_mtime < _START_S:
                    continue
                if not _is_alive(Path(entry.path)):
                    dead.add(entry.name)
                    Path(entry.path).unlink()
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                if entry.is_symlink() and str(Path(entry.path).readlink()) in dead:
                    Path(entry.path).unlink()

    def _accept_until(self, stop: threading.Event, listener: socket.socket) -> None:
        allowed = allowed_users(self._directory)
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            while not stop.is_set():
                if not selector.select(_LOOK_S):
                    continue
                try:
                    sock, _ = listener.accept()
                except (BlockingIOError, ConnectionAbortedError):
                    continue
                except OSError:
                    log.exception("a connection to the bus could not be taken")
                    stop.wait(0.1)  # out of file descriptors, most likely
                    continue
                self._admit(sock, allowed)

    def _admit(self, sock: socket.socket, allowed: frozenset[int]) -> None:
        user = peer_user(sock)
        with self._lock:
            full = len(self._connections) >= _MOST_CONNECTIONS
            if user in allowed and not full:
                self._connections.add(sock)
        if user not in allowed or full:
            log.warning("refused a connection of uid %d: %s", user, "too many" if full else "not allowed")
            sock.close()
            return
        threading.Thread(target=self._converse, args=(sock,), name="bus-connection", daemon=True).start()

    def _converse(self, sock: socket.socket) -> None:
        """Answer one request after the other until the caller closes."""
        try:
            while not self._stopping:
                sock.settimeout(_IDLE_S)
                request = decode_request(receive_frame(sock))
                if request.kind == CALL:
                    reply = self._responder.run(request)
                else:
                    reply = _TAKEN
                    self._casts.submit(self._responder.accept, request)
                if reply is None:
                    return  # its caller waits no longer
                sock.settimeout(_SEND_S)
                send_frame(sock, reply)
        except (Disconnected, TimeoutError):
            return
        except (OSError, ValueError, RuntimeError) as error:
            if not self._stopping:
                log.warning("a connection of the bus ended: %s", error)
        finally:
            with self._lock:
                self._connections.discard(sock)
            sock.close()

    def _disconnect(self) -> None:
        with self._lock:
            connections = list(self._connections)
        for sock in connections:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _is_alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            with short_path(path) as name:
                probe.connect(name)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # full, or another user's: not ours to remove
    return True
