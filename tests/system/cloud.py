"""A cloud as a user runs it: the real program, with a state directory and ports of its own."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from cumulet import services

TIMEOUT_S = 400
"""A command takes a few seconds; beside many others that share two processors, some minutes."""


def free_offset() -> int:
    """A port offset at which every service's port is free; never 0, where somebody's own cloud may run.

    All ports lie below those that the system gives to outgoing connections, which come and go.
    """
    ports = [*(service.port for service in services.SERVICES), services.METADATA_PORT]
    for _ in range(200):
        offset = random.randrange(11_000, 32_000 - max(ports))
        with contextlib.ExitStack() as stack:
            try:
                for port in ports:
                    probe = stack.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", port + offset))
            except OSError:
                continue
            return offset
    raise RuntimeError("no port offset is free")


@dataclass
class Cloud:
    """`cloud.run("status", "--json")` runs the program; other methods are short for what tests often do."""

    directory: Path
    offset: int = field(default_factory=free_offset)
    options: tuple[str, ...] = ()

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "cumulet.cli.main", *arguments, "--state-dir", str(self.directory)]

    def run(
        self, *arguments: str, check: bool = True, timeout_s: float = TIMEOUT_S
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=timeout_s, check=False, env=environment()
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}{self.log()}"
        return done

    def up(self, *options: str) -> str:
        words = ("up", "--detach", "--port-offset", str(self.offset), *self.options, *options)
        return self.run(*words).stdout

    def down(self, *options: str) -> str:
        return self.run("down", *options).stdout

    def status(self) -> dict[str, Any]:
        described: dict[str, Any] = json.loads(self.run("status", "--json", check=False).stdout)
        return described

    def pid(self, role: str) -> int:
        return int(next(process["pid"] for process in self.status()["processes"] if process["role"] == role))

    def log(self) -> str:
        file = self.directory / "log" / "console.log"
        return file.read_text()[-3000:] if file.exists() else ""

    def url(self, service: str = "identity") -> str:
        return next(one["endpoint"] for one in self.status()["services"] if one["name"] == service)

    def login(self, user: str = "admin") -> str:
        """A project-scoped token."""
        password = json.loads((self.directory / "keys" / "passwords.json").read_text())[user]
        domain = {"id": "default"}
        body = {
            "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": {"user": {"name": user, "domain": domain, "password": password}},
                },
                "scope": {"project": {"name": user, "domain": domain}},
            }
        }
        answer = request("POST", f"http://127.0.0.1:{5000 + self.offset}/v3/auth/tokens", json=body)
        assert answer.status == 201, answer.data
        return str(answer.headers["X-Subject-Token"])

    def end(self) -> None:
        """Whatever a test did, nothing is left."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.run("down", "--purge", check=False)
        for pid in left_behind(self.directory):
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.directory, ignore_errors=True)


def environment() -> dict[str, str]:
    """The caller's, without what could lead to another cloud."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("OS_", "CUMULET_STATE"))}


def left_behind(directory: Path) -> list[int]:
    """Processes of the cloud in this directory, by their command lines."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if str(directory).encode() in words and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def request(method: str, url: str, *, token: str | None = None, **rest: Any) -> urllib3.BaseHTTPResponse:
    """One request on a connection of its own; urllib3's exceptions for no answer."""
    headers = {"X-Auth-Token": token} if token else {}
    with urllib3.PoolManager() as pool:
        return pool.request(method, url, headers=headers, retries=False, timeout=60, **rest)


def eventually(condition: Callable[[], Any], within_s: float = 60.0) -> Any:
    """The first true value of `condition`."""
    deadline = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.05)


@contextlib.contextmanager
def a_cloud(directory: Path, *options: str) -> Iterator[Cloud]:
    cloud = Cloud(directory, options=options)
    try:
        yield cloud
    finally:
        cloud.end()
