"""The process that keeps one container: `python -m cumulet.agents.compute.container.keeper DIRECTORY`.

It makes the container's user, network and mount namespaces with its disks, waits for the word `go` on its standard
input (by then the agent has put the cards in), boots its init, keeps its console, mounts disks for it and boots it
again when it asks for that. It outlives the agent. It imports nothing but the standard library, because it is as
long-lived as the guest.

Files in DIRECTORY: `container.json` (what to be), `rootfs/` (where its root disk is mounted), `dev/` (its devices),
`view/` (its /proc and /sys, docs/compute-host.md), `console.log`, `serial` (a socket: the console), `pid` (this
process), `holder` (a process in the container's namespaces), `init` (the container's first process).
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import json
import os
import selectors
import signal
import socket
import stat
import struct
import sys
import termios
import time
import tty
from pathlib import Path
from typing import Any, NoReturn

from cumulet.agents.compute.container import interception, memory_view, system

_DEVICES = {"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}  # of major number 1
_ROOT, _DEV, _VIEW = "rootfs", "dev", "view"
_FRESH_S = 5.0
_LAST_TO_END = -900
_MOST_NAME = 64
_RESTART = signal.SIGHUP  # how the kernel ends a container that rebooted


def main(directory: Path) -> int:
    os.chdir(directory)
    _spare(_LAST_TO_END)
    wanted = json.loads(Path("container.json").read_text())
    holder = _hold(wanted)
    Path("pid").write_text(str(os.getpid()))
    _disks(wanted, holder)
    print("ready", flush=True)  # noqa: T201 - the agent reads it
    if sys.stdin.readline().strip() != "go":
        os.kill(holder, signal.SIGKILL)
        return 1
    # The agent's pipes end with it; what is said from now on goes to the log that it opened for us.
    nothing = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1):
        os.dup2(nothing, number)
    console = Console(wanted, holder)
    try:
        while True:
            ended_by = _boot(wanted, holder, console)
            if ended_by != _RESTART:
                return 0
    finally:
        Path("init").unlink(missing_ok=True)
        os.kill(holder, signal.SIGKILL)


def _spare(how: int) -> None:
    """Who the kernel ends when the container's memory is used up: one of its processes, not who keeps it, where the
    host lets us choose."""
    with contextlib.suppress(PermissionError):
        Path("/proc/self/oom_score_adj").write_text(str(how))


def _disks(wanted: dict[str, Any], holder: int) -> None:
    """The root disk and the devices, mounted where only this container is: they go with its last process."""
    system.unshare(system.NEWNS)
    system.mount(None, "/", None, system.MS_REC | system.MS_SLAVE)
    owner = wanted["first_id"]
    for name in (_ROOT, _DEV):
        Path(name).mkdir(exist_ok=True)
    system.mount("dev", _DEV, "tmpfs", system.MS_NOSUID, f"mode=755,size=1m,uid={owner},gid={owner}")
    for name, minor in _DEVICES.items():
        node(Path(_DEV, name), stat.S_IFCHR | 0o666, os.makedev(1, minor), owner)
    node(Path(_DEV, "tty"), stat.S_IFCHR | 0o666, os.makedev(5, 0), owner)
    for name, major, minor in wanted["disks"]:
        node(Path(_DEV, name), stat.S_IFBLK | 0o660, os.makedev(major, minor), owner)
    interception.repair(wanted["root"])
    mapping = os.open(f"/proc/{holder}/ns/user", os.O_RDONLY)
    made = system.open_file_system(wanted["root"], readonly=False, attributes=system.ATTR_NODEV, owners=mapping)
    target = os.open(_ROOT, os.O_PATH | os.O_DIRECTORY)
    system.place(made, target)
    for descriptor in (mapping, made, target):
        os.close(descriptor)


def node(path: Path, mode: int, device: int, owner: int) -> None:
    """A device's node that the container's root owns."""
    os.mknod(path, mode, device)
    os.chown(path, owner, owner, follow_symlinks=False)
    path.chmod(stat.S_IMODE(mode))  # whatever the umask


def _hold(wanted: dict[str, Any]) -> int:
    """A process that does nothing but be in the container's user and network namespaces, so that these stay."""
    asks, answers = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        system.unshare(system.NEWUSER | system.NEWNET)
        os.write(asks[1], b"x")
        os.read(answers[0], 1)
        for number in (0, 1, 2):
            os.dup2(os.open("/dev/null", os.O_RDWR), number)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        system.die_with_parent(signal.SIGKILL)  # it ends with the keeper
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
        _spare(0)
        _own_time()
        for kind, flag in (("user", system.NEWUSER), ("net", system.NEWNET)):
            system.enter(f"/proc/{holder}/ns/{kind}", flag)
        os.setgroups([])
        os.setgid(0)
        os.setuid(0)
        system.die_with_parent(signal.SIGKILL)  # here: a change of user takes it back
        system.unshare(system.NEWNS | system.NEWPID | system.NEWUTS | system.NEWIPC | system.NEWCGROUP)
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


def _own_time() -> None:
    """Clocks that start now, for the next child: a container's uptime is its own. A kernel without it is right too."""
    with contextlib.suppress(OSError):
        system.unshare(system.NEWTIME)
        lines = [
            f"{name} {-int(time.clock_gettime(clock))} 0"
            for name, clock in (("monotonic", time.CLOCK_MONOTONIC), ("boottime", time.CLOCK_BOOTTIME))
        ]
        Path("/proc/self/timens_offsets").write_text("\n".join(lines))


def _inner(wanted: dict[str, Any], console: Console) -> NoReturn:
    """The container's process 1."""
    try:
        system.die_with_parent(signal.SIGKILL)
        socket.sethostname(_host_name(wanted["hostname"]))
        _file_systems(console.name)
        os.setsid()
        terminal = os.open("/dev/console", os.O_RDWR | os.O_NOCTTY)  # a login takes it as its own
        listener = interception.install()
        words = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))]
        console.mounts_out.sendmsg([b"x"], words)
        for number in (0, 1, 2):
            os.dup2(terminal, number)
        os.closerange(3, 1024)
        os.chdir("/")
        environment = {"container": "cumulet", "PATH": "/bin:/sbin:/usr/bin:/usr/sbin", "TERM": "vt100", "HOME": "/"}
        os.execve("/sbin/init", ["/sbin/init"], environment)  # noqa: S606 - no shell is wanted
    except BaseException as error:  # noqa: BLE001 - a child must never return
        os.write(2, f"the container's init could not be started: {error}\n".encode())
    os._exit(1)


def _host_name(wanted: str) -> str:
    """Linux takes 64 characters: of a longer name the first label, as far as it goes."""
    return wanted if len(wanted) <= _MOST_NAME else wanted.partition(".")[0][:_MOST_NAME]


def _file_systems(terminal: str) -> None:
    root = _ROOT  # from where we are: the way there is closed to the container's users
    system.mount(None, "/", None, system.MS_REC | system.MS_PRIVATE)
    system.mount(root, root, None, system.MS_BIND | system.MS_REC)
    for name in ("proc", "sys", "dev", "old"):
        Path(root, name).mkdir(exist_ok=True)
    quiet = system.MS_NOSUID | system.MS_NODEV | system.MS_NOEXEC
    system.mount("proc", f"{root}/proc", "proc", quiet)
    system.mount("sys", f"{root}/sys", "sysfs", system.MS_RDONLY | quiet)
    _show(root)
    system.mount(_DEV, f"{root}/dev", None, system.MS_BIND)
    Path(root, "dev", "console").touch()
    system.mount(terminal, f"{root}/dev/console", None, system.MS_BIND)
    system.pivot_root(root, f"{root}/old")
    os.chdir("/")
    system.unmount("/old")
    with contextlib.suppress(OSError):
        Path("/old").rmdir()


def _show(root: str) -> None:
    """Its own processors, memory and disks instead of the host's."""
    for name in ("cpuinfo", "meminfo", "partitions", "swaps"):
        system.mount(f"{_VIEW}/{name}", f"{root}/proc/{name}", None, system.MS_BIND)
    for name, places in (("block", ("block", "class/block")), ("numbers", ("dev/block",))):
        for place in places:
            if Path(root, "sys", place).is_dir():
                system.mount(f"{_VIEW}/{name}", f"{root}/sys/{place}", None, system.MS_BIND)


class Console:
    """The container's terminal: everything it says goes to the log and to who is connected to the socket."""

    def __init__(self, wanted: dict[str, Any], holder: int) -> None:
        self._wanted, self._holder = wanted, holder
        owner = wanted["first_id"]
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
        self._refreshed = 0.0
        self._mounts_in, self.mounts_out = socket.socketpair()  # at which descriptor it asks for mounts

    def serve_until_ended(self, pid: int) -> None:
        ended = os.pidfd_open(pid)
        asks: list[int] = []
        with selectors.DefaultSelector() as selector, Path("console.log").open("ab", buffering=0) as log:
            watched: Any
            for watched in (ended, self._master, self._listener, self._mounts_in, *self._clients):
                selector.register(watched, selectors.EVENT_READ)
            while True:
                self._refresh()
                for key, _ in selector.select(_FRESH_S):
                    if key.fd == ended:
                        for descriptor in (ended, *asks):
                            os.close(descriptor)
                        return
                    if key.fd == self._master:
                        self._said(os.read(self._master, 65536), log, selector)
                    elif key.fileobj is self._listener:
                        client, _ = self._listener.accept()
                        client.setblocking(False)
                        self._clients.append(client)
                        selector.register(client, selectors.EVENT_READ)
                    elif key.fileobj is self._mounts_in:
                        _, descriptors, _, _ = socket.recv_fds(self._mounts_in, 1, 1)
                        asks += descriptors
                        selector.register(descriptors[0], selectors.EVENT_READ)
                    elif key.fd in asks:
                        interception.serve(key.fd, _DEV, f"/proc/{self._holder}/ns/user")
                    else:
                        self._typed(key.fileobj, selector)

    def _refresh(self) -> None:
        if time.monotonic() - self._refreshed >= _FRESH_S:
            self._refreshed = time.monotonic()
            memory_view.write(Path(_VIEW, "meminfo"), self._wanted["memory_mb"], self._wanted["memory_used"])

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
