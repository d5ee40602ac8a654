"""Processes that end: what they held is free when their end is told."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

from cumulet.agents.ending import end, end_of

STUBBORN = """
import fcntl, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
memory = bytearray(b"x") * (256 << 20)  # takes a moment to give back
print("ready", flush=True)
time.sleep(600)
"""


def holder(lock: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", STUBBORN, str(lock)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "ready\n"
    return process


def test_what_it_held_is_free(tmp_path: Path) -> None:
    for n in range(3):
        process = holder(tmp_path / str(n))
        with (tmp_path / str(n)).open() as file, end_of(process.pid) as ended:
            assert not ended(0)
            os.kill(process.pid, signal.SIGKILL)
            assert ended(60)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert process.wait() == -signal.SIGKILL


def test_a_stubborn_one(tmp_path: Path) -> None:
    process = holder(tmp_path / "lock")
    assert not end(process.pid, (signal.SIGTERM, 0.2))
    assert end(process.pid, (signal.SIGTERM, 0.2), (signal.SIGKILL, 60))
    assert process.wait() == -signal.SIGKILL


def test_one_that_is_gone() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    assert end(process.pid, (signal.SIGTERM, 1))
    with end_of(process.pid) as ended:
        assert ended(0)
