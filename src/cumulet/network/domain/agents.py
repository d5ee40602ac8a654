"""Agents as the API shows them, and which of them serve which network or router."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel import clock
from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.network.attributes import Values
from cumulet.network.domain import base
from cumulet.network.domain.listing import truth
from cumulet.network.domain.source import Shown, Source, Thing
from cumulet.network.errors import bad_request
from cumulet.network.service import Network
from cumulet.network.tables import agents, network_agents, router_agents

DHCP: Final = "DHCP agent"
L3: Final = "L3 agent"


def missing(identifier: str) -> NotFound:
    return NotFound(f"Agent {identifier} could not be found.", code="AgentNotFound")


def _time(at: int) -> str:
    """Agents show their times in a form of their own: `2026-01-31 12:00:00`."""
    return clock.iso(at).replace("T", " ").rstrip("Z")


SOURCE = Source(
    agents,
    missing,
    (
        "id",
        "agent_type",
        "binary",
        "topic",
        "host",
        "admin_state_up",
        "created_at",
        "started_at",
        "heartbeat_timestamp",
        "alive",
        "description",
        "resources_synced",
        "availability_zone",
        "configurations",
    ),
    where={
        "created_at": Shown(agents.c.created_at, _time),
        "started_at": Shown(agents.c.started_at, _time),
        "heartbeat_timestamp": Shown(agents.c.heartbeat_at, _time),
        "alive": Shown(agents.c.heartbeat_at),  # `dress` makes it a boolean
    },
    extra=("ha_state",),
    # Its databases compare without case, and clients have come to ask for "DHCP Agent".
    filters={"agent_type": lambda values: sa.func.lower(agents.c.agent_type).in_([text.lower() for text in values])},
)


def oldest_heartbeat(network: Network) -> int:
    """Agents whose last report is older than this count as dead."""
    return network.now() - int(network.conf.agent_down_time) * 1_000_000


def alive_or_not(network: Network, values: list[str]) -> sa.ColumnElement[bool]:
    """Agents that report (true), or do not (false)."""
    oldest, wanted = oldest_heartbeat(network), {truth(value) for value in values}
    return sa.or_(
        sa.false(), *(agents.c.heartbeat_at >= oldest if one else agents.c.heartbeat_at < oldest for one in wanted)
    )


def dress(network: Network, connection: Connection, ctx: Context, things: Sequence[Thing]) -> None:
    """`alive` depends on the time."""
    oldest = oldest_heartbeat(network)
    for thing in things:
        thing.alive = thing.alive >= oldest


def candidates(
    network: Network, connection: Connection, kind: str, tasks: sa.Table, hints: str, but: set[str]
) -> list[Row[Any]]:
    """Live agents of a kind in the wanted zones, those with the fewest tasks first.

    `tasks`: the table that says by `agent_id` what they do already; `hints`: availability_zone_hints of what is to be
    served, JSON; `but`: ids of agents that are out of the question.
    """
    busy = sa.select(sa.func.count()).where(tasks.c.agent_id == agents.c.id).scalar_subquery()
    query = (
        sa.select(agents)
        .where(agents.c.agent_type == kind, agents.c.admin_state_up, agents.c.heartbeat_at >= oldest_heartbeat(network))
        .order_by(busy, agents.c.host)
    )
    zones = base.from_json(hints) or network.conf.default_availability_zones
    found = [agent for agent in connection.execute(query) if agent.id not in but]
    return [agent for agent in found if agent.availability_zone in zones] if zones else found


def load(connection: Connection, agent_id: str, kind: str | None = None) -> Row[Any]:
    """Raises the 404, also for an agent of another kind."""
    row = SOURCE.load(connection, agent_id)
    if kind is not None and row.agent_type != kind:
        raise missing(agent_id)
    return row


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    raise bad_request("Agents report themselves: they are not created.")


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    """`admin_state_up` and `description`."""
    if values:
        connection.execute(sa.update(agents).where(agents.c.id == row.id).values(**values))


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    """One that still lives would be back at its next report; it goes all the same, as in the original."""
    connection.execute(sa.delete(network_agents).where(network_agents.c.agent_id == row.id))
    connection.execute(sa.delete(router_agents).where(router_agents.c.agent_id == row.id))
    connection.execute(sa.delete(agents).where(agents.c.id == row.id))
