"""Runs a server for tests and takes it along when the tests are killed: `guard.py ACCOUNT COMMAND…` (`-`: ours).

Servers start processes of their own (RabbitMQ's shell script starts Erlang), which the death of their parent would
leave behind. SIGTERM and SIGINT are passed on to the server.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1


def main(account: str, command: list[str]) -> int:
    """Called in a session of its own, so that the whole process group is ours."""
    tests = os.getppid()
    signal.signal(signal.SIGUSR1, lambda *_: os.killpg(0, signal.SIGKILL))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGUSR1)
    if os.getppid() != tests:
        return 1  # they died before we could notice
    if account == "-":
        server = subprocess.Popen(command)
    else:
        group = pwd.getpwnam(account).pw_gid
        server = subprocess.Popen(command, user=account, group=group, extra_groups=[])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: server.send_signal(number))
    return server.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
