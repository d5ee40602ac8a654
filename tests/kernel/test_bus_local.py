"""The carrier of one machine: who may connect, and what a killed server leaves behind."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.kernel.bus import Call, HostUnreachable, LocalBus
from cumulet.kernel.bus.local import allowed_users, file_name
from tests.kernel.bus_support import Carrier
from tests.kernel.jobs_support import eventually

SERVER = """
import sys, threading
from cumulet.kernel.bus import LocalBus
def hang(call):
    print("hanging", flush=True)
    threading.Event().wait(600)
LocalBus(sys.argv[1]).serve("node", {"hang": hang, "pid": lambda call: __import__("os").getpid()}, threading.Event())
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")


@pytest.fixture
def carrier(tmp_path: Path) -> Iterator[Carrier]:
    carrier = Carrier("local", lambda: LocalBus(tmp_path))
    yield carrier
    carrier.close()


def echo(call: Call, **args: Any) -> Any:
    return args


def start_server(run_dir: Path) -> subprocess.Popen[str]:
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", SERVER, str(run_dir)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)


def reachable(bus: LocalBus) -> Any:
    try:
        return bus.call("node", "pid", timeout_s=5)
    except HostUnreachable:
        return None


def test_sockets_are_closed_to_other_users(carrier: Carrier, tmp_path: Path) -> None:
    with carrier.serving(["a", "b"], {"echo": echo}):
        directory = tmp_path / "bus"
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        sockets = [path for path in directory.iterdir() if not path.is_symlink()]
        assert [stat.S_IMODE(path.stat().st_mode) for path in sockets] == [0o600]
        assert {path.name for path in directory.iterdir() if path.is_symlink()} == {"a", "b"}
    assert list(directory.iterdir()) == []


@needs_root
def test_another_user_is_refused_even_where_the_file_would_let_him_in(carrier: Carrier, tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    for path in (tmp_path, *tmp_path.parents):
        if path.owner() == "root" and path != Path("/") and path.stat().st_mode & 0o001 == 0:
            path.chmod(path.stat().st_mode | 0o011)
    with carrier.serving("node", {"echo": echo}):
        (tmp_path / "bus").chmod(0o755)
        for path in (tmp_path / "bus").iterdir():
            path.resolve().chmod(0o666)
        code = (
            "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
            "s.sendall(bytes(4)); print(s.recv(1))"
        )
        target = str((tmp_path / "bus" / "node").resolve())
        seen = subprocess.run(
            ["/usr/bin/python3", "-c", code, target], user=nobody, cwd="/", capture_output=True, text=True, timeout=20
        )
        assert seen.stdout.strip() == "b''" or "BrokenPipe" in seen.stderr or "ConnectionReset" in seen.stderr
        assert carrier.bus.call("node", "echo") == {}


@needs_root
def test_a_root_agent_can_be_called_by_the_user_whose_cloud_it_is(carrier: Carrier, tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    directory = tmp_path / "bus"
    directory.mkdir(mode=0o700)
    os.chown(directory, nobody, -1)
    with carrier.serving("node", {"echo": echo}):
        assert (directory / "node").resolve().stat().st_uid == nobody
        assert allowed_users(directory) == {0, nobody}
        assert carrier.bus.call("node", "echo") == {}


def test_a_directory_may_have_a_long_name(tmp_path: Path) -> None:
    run_dir = tmp_path / ("long-" * 30)
    run_dir.mkdir()
    carrier = Carrier("local", lambda: LocalBus(run_dir))
    with carrier.serving("node." + "x" * 150, {"echo": echo}):
        assert carrier.bus.call("node." + "x" * 150, "echo", {"a": 1}) == {"a": 1}
    carrier.close()


def test_a_host_name_never_leaves_the_directory(carrier: Carrier, tmp_path: Path) -> None:
    strange = ["../etc", "..", ".hidden", "a/b", "a b", "%2e", "Ä"]
    assert all("/" not in file_name(name) and not file_name(name).startswith(".") for name in strange)
    assert len({file_name(name) for name in strange}) == len(strange)
    for wrong in ("", "x" * 300):
        with pytest.raises(ValueError, match="host name"):
            carrier.bus.call(wrong, "echo")
    with carrier.serving(strange, {"host": lambda call: call.host}):
        assert [carrier.bus.call(name, "host") for name in strange] == strange


def test_a_call_to_a_server_that_is_killed_ends_at_once(carrier: Carrier, tmp_path: Path) -> None:
    victim = start_server(tmp_path)
    try:
        assert eventually(lambda: reachable(carrier.bus)) == victim.pid  # type: ignore[arg-type]
        problems: list[BaseException] = []

        def call() -> None:
            try:
                carrier.bus.call("node", "hang", timeout_s=30)
            except HostUnreachable as error:
                problems.append(error)

        calling = threading.Thread(target=call)
        calling.start()
        assert victim.stdout is not None
        assert victim.stdout.readline() == "hanging\n"
        before = time.monotonic()
        victim.send_signal(signal.SIGKILL)
        calling.join(10)
        assert time.monotonic() - before < 2
        assert len(problems) == 1
    finally:
        victim.kill()
        victim.wait()


def test_a_killed_server_leaves_nothing_once_another_starts(carrier: Carrier, tmp_path: Path) -> None:
    for _ in range(2):
        victim = start_server(tmp_path)
        assert eventually(lambda: reachable(carrier.bus)) == victim.pid  # type: ignore[arg-type]
        victim.kill()
        victim.wait()
    with pytest.raises(HostUnreachable):
        carrier.bus.call("node", "pid")

    with carrier.serving("other", {"echo": echo}):
        names = {path.name for path in (tmp_path / "bus").iterdir() if path.is_symlink()}
        assert names == {"other"}
        assert len(list((tmp_path / "bus").iterdir())) == 2


def test_a_successor_takes_over_without_a_gap(carrier: Carrier) -> None:
    problems: list[Exception] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                carrier.bus.call("node", "echo")
            except HostUnreachable as error:
                problems.append(error)

    with carrier.serving("node", {"echo": echo}):
        asking = threading.Thread(target=ask)
        asking.start()
        with carrier.serving("node", {"echo": echo}):
            time.sleep(0.2)
        # The second has gone and taken its link along: from here on nobody is there, as with any server that stops.
        stop.set()
        asking.join()
    assert {str(error) for error in problems} <= {"Host node cannot be reached: nobody serves it."}


def test_noise_harms_only_its_own_connection(carrier: Carrier, tmp_path: Path) -> None:
    with carrier.serving("node", {"echo": echo}):
        path = str((tmp_path / "bus" / "node").resolve())
        for noise in (b"\xff" * 64, struct.pack(">I", 5) + b"hello", struct.pack(">I", 2**31), b"\0"):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(5)
                sock.connect(path)
                sock.sendall(noise)
                sock.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionResetError):  # closed with our noise unread
                    assert sock.recv(10) == b""
        assert carrier.bus.call("node", "echo") == {}


def test_a_message_beyond_the_limit_is_refused_at_the_caller(carrier: Carrier) -> None:
    with carrier.serving("node", {"echo": echo}):
        with pytest.raises(ValueError, match="too long"):
            carrier.bus.call("node", "echo", {"x": bytes(65 * 1024 * 1024)})
        assert carrier.bus.call("node", "echo") == {}


def test_ten_thousand_hosts_need_one_socket(carrier: Carrier, tmp_path: Path) -> None:
    hosts = [f"node{number}" for number in range(10_000)]
    with carrier.serving(hosts, {"host": lambda call: call.host}):
        assert carrier.bus.call("node9999", "host") == "node9999"
        assert carrier.bus.call("node0", "host") == "node0"
    assert list((tmp_path / "bus").iterdir()) == []
