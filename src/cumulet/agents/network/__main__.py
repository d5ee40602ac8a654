"""An agent as a process of its own: `python -m cumulet.agents.network CONFIG.json [--purge]`.

CONFIG.json is an `AgentConfig`. The wanted state is `wanted.json` in its state directory; SIGHUP makes the agent read
it again. Reports go to `report.json` beside it. For trying things out and for tests; a cloud's agent gets its documents
from the bus.
"""

from __future__ import annotations

import argparse
import logging
import signal
from pathlib import Path

import msgspec

from cumulet.agents.network import files
from cumulet.agents.network.agent import NetworkAgent
from cumulet.agents.network.config import AgentConfig
from cumulet.agents.network.linux import linux_drivers
from cumulet.agents.network.report import Report
from cumulet.agents.network.watch import LinkWatch


def main() -> None:
    parser = argparse.ArgumentParser(description="The network agent of one host.")
    parser.add_argument("config", type=Path)
    parser.add_argument("--purge", action="store_true", help="remove everything of this agent's from the host and end")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    config = AgentConfig.from_json(arguments.config.read_bytes())
    agent = NetworkAgent(config, linux_drivers(config))
    if arguments.purge:
        agent.purge()
        return
    agent.load()
    wanted = config.state_dir / "wanted.json"
    signal.signal(signal.SIGHUP, lambda *_: agent.receive(wanted.read_bytes()))
    signal.signal(signal.SIGTERM, lambda *_: agent.stop())
    report = config.state_dir / "report.json"

    def tell(latest: Report) -> None:
        files.write(report, msgspec.json.encode(latest).decode(), 0o600)

    agent.run(tell, watch=LinkWatch(config.host_namespace))


if __name__ == "__main__":
    main()
