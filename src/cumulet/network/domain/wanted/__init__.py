"""What a host's network should be: all that its agent needs to know, and nothing of other hosts' business.

`build` is a pure function of the database. The document's form is that of the agents' own definition
(`cumulet.agents.network.state`), which services do not import; tests/network/test_wanted.py holds the two together.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection

from cumulet.network.domain import generations
from cumulet.network.domain.wanted import layer2, layer3, security
from cumulet.network.domain.wanted.host import Host
from cumulet.network.service import Network, Topic

State = dict[str, Any]
KINDS = (
    "networks",
    "subnets",
    "ports",
    "endpoints",
    "security_groups",
    "address_sets",
    "routers",
    "metering_labels",
)


def build(network: Network, connection: Connection, host: str) -> tuple[State, set[Topic]]:
    """A host's whole wanted state, and the topics whose changes concern it (`domain.generations`).

    The state: `host`, `generation`, and for each of KINDS its objects by id.
    """
    # Read first: what changes while the rest is read is of a later generation, and is read again then.
    generation = generations.current(connection)
    view = Host.read(connection, host)
    state: State = {"host": host, "generation": generation}
    state |= layer2.objects(connection, view)
    state |= security.objects(connection, view)
    state |= layer3.objects(connection, view)
    return state, view.topics()
