"""Metering labels and their rules: which traffic of a project is counted under which name."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.network.attributes import Values
from cumulet.network.domain import base
from cumulet.network.domain.source import Source
from cumulet.network.errors import bad_request, conflict
from cumulet.network.service import Network
from cumulet.network.tables import metering_label_rules, metering_labels

_PREFIXES = ("remote_ip_prefix", "source_ip_prefix", "destination_ip_prefix")


def _no_label(identifier: str) -> NotFound:
    return NotFound(f"Metering label {identifier} does not exist", code="MeteringLabelNotFound")


def _no_rule(identifier: str) -> NotFound:
    return NotFound(f"Metering label rule {identifier} does not exist", code="MeteringLabelRuleNotFound")


class Labels:
    """The domain of labels."""

    SOURCE = Source(
        metering_labels,
        _no_label,
        ("id", "project_id", "tenant_id", "name", "description", "shared"),
        visible=sa.or_(base.own(metering_labels), metering_labels.c.shared),
    )

    @staticmethod
    def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
        row = base.new_row(network, values)
        base.insert(connection, metering_labels, row)
        network.touch("metering", row["id"])
        return str(row["id"])

    @staticmethod
    def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
        base.change(network, connection, metering_labels, row.id, **values)

    @staticmethod
    def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
        connection.execute(sa.delete(metering_label_rules).where(metering_label_rules.c.metering_label_id == row.id))
        connection.execute(sa.delete(metering_labels).where(metering_labels.c.id == row.id))
        network.touch("metering", row.id)


class Rules:
    """The domain of rules: which prefixes a label counts, and which it leaves out."""

    SOURCE = Source(
        metering_label_rules,
        _no_rule,
        ("id", "metering_label_id", "direction", "excluded", *_PREFIXES),
        visible=base.own(metering_label_rules),
    )

    @staticmethod
    def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
        """Raises NotFound for the label, BadRequest without a prefix, Conflict for one that overlaps another rule."""
        label = connection.execute(
            sa.select(metering_labels).where(metering_labels.c.id == values["metering_label_id"]).with_for_update()
        ).first()
        if label is None:
            raise _no_label(values["metering_label_id"])
        given = {key: values.get(key) for key in _PREFIXES}
        if not any(given.values()):
            raise bad_request(
                "At least one of remote_ip_prefix, source_ip_prefix or destination_ip_prefix must be given.",
                "HTTPBadRequest",
            )
        if given["remote_ip_prefix"] and (given["source_ip_prefix"] or given["destination_ip_prefix"]):
            raise bad_request(
                "remote_ip_prefix cannot be combined with source_ip_prefix or destination_ip_prefix.", "HTTPBadRequest"
            )
        _require_no_overlap(connection, values, given)
        row = {
            "id": uuid_id(),
            "project_id": label.project_id,
            "metering_label_id": label.id,
            "direction": values["direction"],
            "excluded": values["excluded"],
            **given,
        }
        base.insert(connection, metering_label_rules, row)
        network.touch("metering", label.id)
        return str(row["id"])

    @staticmethod
    def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
        raise bad_request("A metering label rule cannot be changed: delete it and make another.")

    @staticmethod
    def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
        connection.execute(sa.delete(metering_label_rules).where(metering_label_rules.c.id == row.id))
        network.touch("metering", row.metering_label_id)


def _require_no_overlap(connection: Connection, values: Values, given: Values) -> None:
    query = sa.select(metering_label_rules).where(
        metering_label_rules.c.metering_label_id == values["metering_label_id"],
        metering_label_rules.c.direction == values["direction"],
    )
    for other in connection.execute(query).all():
        for key in _PREFIXES:
            mine, theirs = given[key], getattr(other, key)
            if not mine or not theirs:
                continue
            left, right = ip_network(mine, strict=False), ip_network(theirs, strict=False)
            if left.version == right.version and left.overlaps(right):
                raise conflict(
                    "MeteringLabelRuleOverlaps",
                    f"Metering label rule with {key} '{mine}' overlaps another.",
                )
