"""The rules of QoS policies: five kinds in one table, and each policy's own copy of its rules as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.network.attributes import Values
from cumulet.network.domain import base, qos_policies
from cumulet.network.domain.source import Source
from cumulet.network.errors import conflict
from cumulet.network.service import Network
from cumulet.network.tables import qos_rules as table

PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "bandwidth_limit": ("max_kbps", "max_burst_kbps", "direction"),
    "packet_rate_limit": ("max_kpps", "max_burst_kpps", "direction"),
    "dscp_marking": ("dscp_mark",),
    "minimum_bandwidth": ("min_kbps", "direction"),
    "minimum_packet_rate": ("min_kpps", "direction"),
}
"""type -> what a rule of that type says"""
SUPPORTED: Final = ("bandwidth_limit", "dscp_marking", "packet_rate_limit")
"""The types that the hosts carry out; others can be written down, and are promised to nobody."""
_BOUNDS: Final = (
    ("minimum_bandwidth", "min_kbps", "bandwidth_limit", "max_kbps"),
    ("minimum_packet_rate", "min_kpps", "packet_rate_limit", "max_kpps"),
)


class Rules:
    """The domain of one type of rule."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        policies = qos_policies.SOURCE.table
        mine = sa.select(policies.c.id).where(base.own_or_shared(policies, "qos_policy"))
        self.SOURCE = Source(
            table,
            self.missing,
            ("id", *PARAMETERS[kind]),
            visible=table.c.qos_policy_id.in_(mine),
            restricted=table.c.type == kind,
        )

    def missing(self, identifier: str) -> NotFound:
        return NotFound(
            f"QoS rule of type {self._kind} with ID {identifier} could not be found.", code="QosRuleNotFound"
        )

    def create(self, network: Network, connection: Connection, ctx: Context, values: Values) -> str:
        """Raises Conflict for a rule that contradicts one there is."""
        given = {key: values[key] for key in PARAMETERS[self._kind] if key in values}
        row = {"id": uuid_id(), "qos_policy_id": values["qos_policy_id"], "type": self._kind, **given}
        self._require_fitting(connection, row)
        base.insert(connection, table, row)
        _refresh(network, connection, row["qos_policy_id"])
        return str(row["id"])

    def update(self, network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
        merged = {**row._mapping, **values}
        self._require_fitting(connection, merged)
        if values:
            connection.execute(sa.update(table).where(table.c.id == row.id).values(**values))
        _refresh(network, connection, row.qos_policy_id)

    def delete(self, network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
        connection.execute(sa.delete(table).where(table.c.id == row.id))
        _refresh(network, connection, row.qos_policy_id)

    def _require_fitting(self, connection: Connection, row: Mapping[str, Any]) -> None:
        """One rule of a type and direction, and no minimum above its maximum."""
        query = sa.select(table).where(table.c.qos_policy_id == row["qos_policy_id"], table.c.id != row["id"])
        others = connection.execute(query).all()
        for other in others:
            if other.type == self._kind and _meet(self._kind, row.get("direction"), other.direction):
                raise conflict(
                    "QoSRulesConflict",
                    f"Rule {self._kind} conflicts with rule {other.id} which already exists in QoS Policy "
                    f"{row['qos_policy_id']}.",
                )
        _require_bounds(row, others)


def _meet(kind: str, one: str | None, other: str | None) -> bool:
    return one == other or (kind == "minimum_packet_rate" and "any" in (one, other))


def _require_bounds(row: Mapping[str, Any], others: Sequence[Row[Any]]) -> None:
    for least, least_key, most, most_key in _BOUNDS:
        for other in others:
            if other.direction != row.get("direction") or {row["type"], other.type} != {least, most}:
                continue
            low = row[least_key] if row["type"] == least else getattr(other, least_key)
            high = row[most_key] if row["type"] == most else getattr(other, most_key)
            if low > high:
                raise conflict(
                    "QoSRuleParameterConflict",
                    f"Unable to add the rule with value {row.get(least_key) or row.get(most_key)} to the policy "
                    f"{row['qos_policy_id']} as the existing rule of type {other.type} has value "
                    f"{high if row['type'] == least else low}.",
                )


def _refresh(network: Network, connection: Connection, policy_id: str) -> None:
    """Bring the policy's own copy of its rules up to date."""
    rows = connection.execute(sa.select(table).where(table.c.qos_policy_id == policy_id).order_by(table.c.id)).all()
    shown = [
        {"id": row.id, "type": row.type, "qos_policy_id": policy_id}
        | {key: getattr(row, key) for key in PARAMETERS[row.type]}
        for row in rows
    ]
    base.change(network, connection, qos_policies.SOURCE.table, policy_id, rules=base.to_json(shown))
    network.touch("qos_policy", policy_id)


def policy_of(connection: Connection, rule_id: str) -> str | None:
    """The policy a rule belongs to."""
    found: str | None = connection.execute(sa.select(table.c.qos_policy_id).where(table.c.id == rule_id)).scalar()
    return found
