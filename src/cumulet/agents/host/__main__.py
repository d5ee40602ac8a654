"""Agents as a process of their own: `python -m cumulet.agents.host --state-dir DIR --host NAME [--simulate]`.

They reach the engine through the broker that `transport_url` in neutron.conf names, or through the directory of a cloud
on this machine. `--leave` takes away what they have made on this machine, and ends.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from cumulet.agents.host import process
from cumulet.kernel import logs
from cumulet.kernel.paths import Paths
from cumulet.kernel.settings import Settings


def main() -> int:
    parser = argparse.ArgumentParser(prog="cumulet.agents.host", description="The agent of one host.")
    parser.add_argument("--state-dir", help="the cloud's directory; without it the system's usual places")
    parser.add_argument("--host", help="the host's name; what the system calls itself without it")
    parser.add_argument(
        "--services", help="whose agents: network, compute, volume, separated by commas; all without it"
    )
    parser.add_argument("--bus", type=Path, help="where a cloud on this machine has its sockets (DIR/run/bus)")
    parser.add_argument("--leave", action="store_true", help="take away all that agents have made here, and end")
    parser.add_argument("--simulate", action="store_true", help="play a host instead of being one")
    given = parser.parse_args()
    paths = Paths.at(given.state_dir)
    settings = Settings.load(paths) or Settings(state_dir=given.state_dir)
    paths.make()
    logs.start("agent", paths.logs)
    if given.leave:
        process.leave(settings, given.host)
        return 0
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    process.run(
        settings,
        stop,
        kinds=frozenset(given.services.split(",")) & process.KINDS if given.services else process.KINDS,
        hosts=(given.host,) if given.host else (),
        simulate=given.simulate,
        bus_dir=given.bus,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
