"""An agent as a process of its own: `python -m cumulet.agents.host --state-dir DIR --host NAME [--simulate]`.

It reaches the engine through the cloud's directory, or through the broker that `transport_url` in neutron.conf names.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from cumulet.agents.host.process import run
from cumulet.kernel import logs
from cumulet.kernel.paths import Paths
from cumulet.kernel.settings import Settings


def main() -> int:
    parser = argparse.ArgumentParser(prog="cumulet.agents.host", description="The agent of one host.")
    parser.add_argument("--state-dir", help="the cloud's directory; without it the system's usual places")
    parser.add_argument("--host", help="the host's name; what the system calls itself without it")
    parser.add_argument("--simulate", action="store_true", help="play a host instead of being one")
    given = parser.parse_args()
    paths = Paths.at(given.state_dir)
    settings = Settings.load(paths) or Settings(state_dir=given.state_dir)
    paths.make()
    logs.start("agent", paths.logs)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    run(settings, stop, hosts=(given.host,) if given.host else (), simulate=given.simulate)
    return 0


if __name__ == "__main__":
    sys.exit(main())
