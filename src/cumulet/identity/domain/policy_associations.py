"""Which policy an endpoint has: its own, its service's in its region or one above, or its service's everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.domain import policies
from cumulet.identity.domain.policies import Policy
from cumulet.identity.errors import not_found
from cumulet.identity.service import Identity
from cumulet.identity.tables import endpoints, policy_associations, regions, services
from cumulet.kernel.errors import NotFound
from cumulet.kernel.ids import hex_id

_PARTIES = {
    "endpoint_id": (endpoints, "endpoint"),
    "service_id": (services, "service"),
    "region_id": (regions, "region"),
}


@dataclass(frozen=True)
class Place:
    """What has a policy: an endpoint, a service, or a service in a region."""

    endpoint_id: str | None = None
    service_id: str | None = None
    region_id: str | None = None

    @property
    def ids(self) -> dict[str, str | None]:
        return {"endpoint_id": self.endpoint_id, "service_id": self.service_id, "region_id": self.region_id}

    @property
    def condition(self) -> sa.ColumnElement[bool]:
        columns = policy_associations.c
        return sa.and_(
            *(columns[name].is_(None) if value is None else columns[name] == value for name, value in self.ids.items())
        )


def _check_parties(connection: Connection, policy_id: str, place: Place, *, lock: bool = False) -> None:
    """Raises NotFound. With `lock` two callers cannot give one place two policies."""
    policies.load(connection, policy_id, lock=lock)
    for name, thing_id in place.ids.items():
        if thing_id is None:
            continue
        table, kind = _PARTIES[name]
        query = sa.select(table.c.id).where(table.c.id == thing_id)
        if connection.execute(query.with_for_update() if lock else query).first() is None:
            raise not_found(kind, thing_id)


def check(identity: Identity, policy_id: str, place: Place) -> None:
    """Raises NotFound for what there is not, and when the place has not this policy."""
    query = sa.select(policy_associations.c.id).where(policy_associations.c.policy_id == policy_id, place.condition)
    with identity.db.read() as connection:
        _check_parties(connection, policy_id, place)
        if connection.execute(query).first() is None:
            raise NotFound("Could not find policy association.")


def create(identity: Identity, policy_id: str, place: Place) -> None:
    """In place of the policy it had. Raises NotFound."""
    with identity.db.write() as connection:
        _check_parties(connection, policy_id, place, lock=True)
        connection.execute(sa.delete(policy_associations).where(place.condition))
        row = {"id": hex_id(), "policy_id": policy_id, **place.ids}
        connection.execute(sa.insert(policy_associations).values(**row))


def delete(identity: Identity, policy_id: str, place: Place) -> None:
    """Raises NotFound for what there is not; a place that has not this policy is as it should be."""
    with identity.db.write() as connection:
        _check_parties(connection, policy_id, place)
        connection.execute(
            sa.delete(policy_associations).where(policy_associations.c.policy_id == policy_id, place.condition)
        )


def purge(connection: Connection, **gone: str) -> None:
    """Delete all associations of an endpoint, a service or a region that goes: `endpoint_id=…`."""
    connection.execute(
        sa.delete(policy_associations).where(*(policy_associations.c[name] == value for name, value in gone.items()))
    )


class _Resolver:
    """Every association there is, and the tree of regions: two queries for any number of endpoints."""

    def __init__(self, connection: Connection) -> None:
        columns = policy_associations.c
        query = sa.select(columns.endpoint_id, columns.service_id, columns.region_id, columns.policy_id)
        self._policies: Mapping[Place, str] = {Place(*row[:3]): row[3] for row in connection.execute(query)}
        above = connection.execute(sa.select(regions.c.id, regions.c.parent_region_id))
        self._above: Mapping[str, str | None] = {row.id: row.parent_region_id for row in above}

    def policy_of(self, endpoint: Any) -> str | None:
        """The id of the policy of a row of endpoints, the nearest association first."""
        found = self._policies.get(Place(endpoint_id=endpoint.id))
        region = endpoint.region_id
        seen: set[str] = set()
        while found is None and region is not None and region not in seen:
            seen.add(region)
            found = self._policies.get(Place(service_id=endpoint.service_id, region_id=region))
            region = self._above.get(region)
        return found if found is not None else self._policies.get(Place(service_id=endpoint.service_id))


def endpoints_of(identity: Identity, policy_id: str) -> list[Any]:
    """The rows of all endpoints that have this policy, sorted by id. Raises NotFound."""
    with identity.db.read() as connection:
        policies.load(connection, policy_id)
        resolver = _Resolver(connection)
        rows = connection.execute(sa.select(endpoints).order_by(endpoints.c.id))
        return [row for row in rows if resolver.policy_of(row) == policy_id]


def policy_of(identity: Identity, endpoint_id: str) -> Policy:
    """Raises NotFound for an endpoint that there is not or that has no policy."""
    with identity.db.read() as connection:
        row = connection.execute(sa.select(endpoints).where(endpoints.c.id == endpoint_id)).first()
        if row is None:
            raise not_found("endpoint", endpoint_id)
        policy_id = _Resolver(connection).policy_of(row)
        if policy_id is None:
            raise NotFound(f"No policy is associated with endpoint {endpoint_id}.")
        return policies.load(connection, policy_id)
