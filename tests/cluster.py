"""Two hosts on one machine, to look at: `scripts/cluster` starts them and ends them again at Ctrl-C.

A controller and a compute host as network namespaces, MariaDB and RabbitMQ of their own, the install guides' files.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
from pathlib import Path

from tests.system.test_two_hosts import TwoHosts, why_not


def main() -> int:
    reason = why_not()
    if reason is not None:
        print(f"Two hosts cannot be played here: {reason}")
        return 1
    with tempfile.TemporaryDirectory(prefix="cumulet-cluster-") as folder:
        made = TwoHosts(Path(folder))
        try:
            made.begin()
            controller, other = (space.name for space in made.spaces.values())
            program = f"{sys.executable} -m cumulet.cli.main"
            print(f"The controller is the namespace {controller}, the second host is {other}.\n")
            print(f"  ip netns exec {controller} bash")
            print(f'  eval "$({program} openrc --state-dir {folder}/h1)"')
            print("  openstack compute service list\n")
            print("Ctrl-C ends them.")
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
        finally:
            made.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
