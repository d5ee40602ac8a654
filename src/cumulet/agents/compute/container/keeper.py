"""The process that keeps one container: `python -m cumulet.agents.compute.container.keeper DIRECTORY`.

It makes the container's user and network namespaces, waits for the word `go` on its standard input (by then the agent
has put the cards in), boots its init, keeps its console and boots it again when it asks for that. It outlives the
agent. It imports nothing but the standard library, because it is as long-lived as the guest.

Files in DIRECTORY: `container.json` (what to be), `rootfs/`, `console.log`, `serial` (a socket: the console), `pid`
(this process), `holder` (a process in the container's namespaces), `init` (the container's first process).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import selectors
import signal
import socket
import struct
import sys
import termios
import tty
from pathlib import Path
from typing import Any, NoReturn

_NEWNS, _NEWCGROUP, _NEWUTS, _NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
_NEWUSER, _NEWPID, _NEWNET = 0x10000000, 0x20000000, 0x40000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18
_DETACH = 2
_DIE_WITH_PARENT = 1
_SYS_PIVOT_ROOT = 155  # x86_64
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_RESTART, _HALT = signal.SIGHUP, signal.SIGINT  # how the kernel ends a container that rebooted, or halted
_libc = ctypes.CDLL(None, use_errno=True)


def main(directory: Path) -> int:
    os.chdir(directory)
    wanted = json.loads(Path("container.json").read_text())
    holder = _hold(wanted)
    Path("pid").write_text(str(os.getpid()))
    print("ready", flush=True)  # noqa: T201 - the agent reads it
    if sys.stdin.readline().strip() != "go":
        os.kill(holder, signal.SIGKILL)
        return 1
    # The agent's pipes end with it; what is said from now on goes to the log that it opened for us.
    nothing = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1):
        os.dup2(nothing, number)
    console = Console(wanted["first_id"])
    try:
        while True:
            ended_by = _boot(wanted, holder, console)
            if ended_by != _RESTART:
                return 0
    finally:
        Path("init").unlink(missing_ok=True)
        os.kill(holder, signal.SIGKILL)


def _hold(wanted: dict[str, Any]) -> int:
    """A process that does nothing but be in the container's user and network namespaces, so that these stay."""
    asks, answers = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        _call(_libc.unshare(_NEWUSER | _NEWNET), "unshare")
        os.write(asks[1], b"x")
        os.read(answers[0], 1)
        for number in (0, 1, 2):
            os.dup2(os.open("/dev/null", os.O_RDWR), number)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _call(_libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL), "prctl")  # it ends with the keeper
        os.setsid()
        while True:
            signal.pause()
    os.read(asks[0], 1)
    mapping = f"0 {wanted['first_id']} {wanted['ids']}"
    Path(f"/proc/{pid}/uid_map").write_text(mapping)
    Path(f"/proc/{pid}/gid_map").write_text(mapping)
    os.write(answers[1], b"x")
    for pipe in (asks, answers):
        for end in pipe:
            os.close(end)
    Path("holder").write_text(str(pid))
    return pid


def _boot(wanted: dict[str, Any], holder: int, console: Console) -> int:
    """Run the container's init to its end. Returns the signal that ended it, 0 for none."""
    reads, writes = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reads)
        _outer(wanted, holder, console, writes)
    os.close(writes)
    with os.fdopen(reads) as told:
        Path("init").write_text(told.readline().strip())
    console.serve_until_ended(pid)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code > 0 else -code


def _outer(wanted: dict[str, Any], holder: int, console: Console, tell: int) -> NoReturn:
    """Enters the namespaces and starts init in new ones; its exit code is the signal that ended init."""
    try:
        for kind, flag in (("user", _NEWUSER), ("net", _NEWNET)):
            descriptor = os.open(f"/proc/{holder}/ns/{kind}", os.O_RDONLY)
            _call(_libc.setns(descriptor, flag), f"enter {kind}")
            os.close(descriptor)
        os.setgroups([])
        os.setgid(0)
        os.setuid(0)
        _call(_libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL), "prctl")  # here: a change of user takes it back
        _call(_libc.unshare(_NEWNS | _NEWPID | _NEWUTS | _NEWIPC | _NEWCGROUP), "unshare")
        init = os.fork()
        if init == 0:
            _inner(wanted, console)
        os.write(tell, f"{init}\n".encode())  # the new space is only its children's: this is the host's number
        os.close(tell)
        _, status = os.waitpid(init, 0)
        code = os.waitstatus_to_exitcode(status)
        os._exit(-code if code < 0 else 0)
    except BaseException as error:  # noqa: BLE001 - a child must never return
        os.write(2, f"the container could not be started: {error}\n".encode())
        os._exit(0)


def _inner(wanted: dict[str, Any], console: Console) -> NoReturn:
    """The container's process 1."""
    try:
        _call(_libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL), "prctl")
        socket.sethostname(wanted["hostname"])
        _file_systems(console.name)
        os.setsid()
        terminal = os.open("/dev/console", os.O_RDWR | os.O_NOCTTY)  # a login takes it as its own
        for number in (0, 1, 2):
            os.dup2(terminal, number)
        os.closerange(3, 1024)
        os.chdir("/")
        environment = {"container": "cumulet", "PATH": "/bin:/sbin:/usr/bin:/usr/sbin", "TERM": "vt100", "HOME": "/"}
        os.execve("/sbin/init", ["/sbin/init"], environment)  # noqa: S606
    except BaseException as error:  # noqa: BLE001 - a child must never return
        os.write(2, f"the container's init could not be started: {error}\n".encode())
    os._exit(1)


def _file_systems(terminal: str) -> None:
    root = "rootfs"  # from where we are: the way there is closed to the container's users
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    _mount(root, root, None, _MS_BIND | _MS_REC)
    for name in ("proc", "sys", "dev", "old"):
        Path(root, name).mkdir(exist_ok=True)
    _mount("proc", f"{root}/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    _mount("sys", f"{root}/sys", "sysfs", _MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    _mount("dev", f"{root}/dev", "tmpfs", _MS_NOSUID, "mode=755,size=1m")
    for name in _DEVICES:
        _bind_file(f"/dev/{name}", f"{root}/dev/{name}")
    _bind_file(terminal, f"{root}/dev/console")
    _call(_libc.syscall(_SYS_PIVOT_ROOT, root.encode(), f"{root}/old".encode()), "pivot_root")
    os.chdir("/")
    _call(_libc.umount2(b"/old", _DETACH), "umount")
    with contextlib.suppress(OSError):
        Path("/old").rmdir()


def _bind_file(source: str, target: str) -> None:
    Path(target).touch()
    _mount(source, target, None, _MS_BIND)


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    words = [None if word is None else word.encode() for word in (source, target, kind)]
    _call(_libc.mount(*words, ctypes.c_ulong(flags), options.encode() or None), f"mount {target}")


def _call(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


class Console:
    """The container's terminal: everything it says goes to the log and to who is connected to the socket."""

    def __init__(self, owner: int) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        settings = termios.tcgetattr(self._slave)
        settings[1] |= termios.OPOST | termios.ONLCR
        termios.tcsetattr(self._slave, termios.TCSANOW, settings)
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("4H", 25, 80, 0, 0))
        self.name = os.ttyname(self._slave)
        os.chown(self.name, owner, owner)
        Path("serial").unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind("serial")
        self._listener.listen(4)
        self._clients: list[socket.socket] = []

    def serve_until_ended(self, pid: int) -> None:
        ended = os.pidfd_open(pid)
        with selectors.DefaultSelector() as selector, Path("console.log").open("ab", buffering=0) as log:
            watched: Any
            for watched in (ended, self._master, self._listener, *self._clients):
                selector.register(watched, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fd == ended:
                        os.close(ended)
                        return
                    if key.fd == self._master:
                        self._said(os.read(self._master, 65536), log, selector)
                    elif key.fileobj is self._listener:
                        client, _ = self._listener.accept()
                        client.setblocking(False)
                        self._clients.append(client)
                        selector.register(client, selectors.EVENT_READ)
                    else:
                        self._typed(key.fileobj, selector)

    def _said(self, data: bytes, log: Any, selector: selectors.BaseSelector) -> None:
        log.write(data)
        for client in list(self._clients):
            try:
                client.send(data)
            except BlockingIOError:
                continue  # one that does not read misses something
            except OSError:
                self._drop(client, selector)

    def _typed(self, client: Any, selector: selectors.BaseSelector) -> None:
        try:
            data = client.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            os.write(self._master, data)
        else:
            self._drop(client, selector)

    def _drop(self, client: socket.socket, selector: selectors.BaseSelector) -> None:
        selector.unregister(client)
        self._clients.remove(client)
        client.close()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
