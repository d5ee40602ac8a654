"""Flavors of network services, and the profiles behind them."""

from __future__ import annotations

from typing import Any, Final

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
from cumulet.network.tables import network_flavors, routers, service_profiles

ROUTER: Final = "L3_ROUTER_NAT"


def _no_flavor(identifier: str) -> NotFound:
    return NotFound(f"Flavor {identifier} could not be found.", code="FlavorNotFound")


def _no_profile(identifier: str) -> NotFound:
    return NotFound(f"Service Profile {identifier} could not be found.", code="ServiceProfileNotFound")


class Flavors:
    """The domain of flavors."""

    SOURCE = Source(
        network_flavors, _no_flavor, ("id", "name", "description", "service_type", "service_profiles", "enabled")
    )

    def create(self, network: Network, connection: Connection, ctx: Context, values: Values) -> str:
        for profile_id in values["service_profiles"]:
            PROFILES.SOURCE.load(connection, profile_id)
        row = {**values, "id": uuid_id(), "service_profiles": base.to_json(values["service_profiles"])}
        base.insert(connection, network_flavors, row)
        return str(row["id"])

    def update(self, network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
        changes = dict(values)
        if "service_profiles" in values:
            for profile_id in values["service_profiles"]:
                PROFILES.SOURCE.load(connection, profile_id)
            changes["service_profiles"] = base.to_json(values["service_profiles"])
        if changes:
            connection.execute(sa.update(network_flavors).where(network_flavors.c.id == row.id).values(**changes))

    def delete(self, network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
        """Raises Conflict while routers have it."""
        used = sa.select(routers.c.id).where(routers.c.flavor_id == row.id).limit(1)
        if connection.execute(used).first() is not None:
            raise conflict("FlavorInUse", f"Flavor {row.id} is used by some service instance.")
        connection.execute(sa.delete(network_flavors).where(network_flavors.c.id == row.id))


class Profiles:
    """The domain of service profiles."""

    SOURCE = Source(service_profiles, _no_profile, ("id", "description", "driver", "metainfo", "enabled"))

    def create(self, network: Network, connection: Connection, ctx: Context, values: Values) -> str:
        if not values["driver"] and not values["metainfo"]:
            raise bad_request("Service Profile needs either a driver or metainfo.", "ServiceProfileEmpty")
        row = {**values, "id": uuid_id()}
        base.insert(connection, service_profiles, row)
        return str(row["id"])

    def update(self, network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
        if values:
            connection.execute(sa.update(service_profiles).where(service_profiles.c.id == row.id).values(**values))

    def delete(self, network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
        """Raises Conflict while flavors have it."""
        if _flavors_with(connection, row.id):
            raise conflict("ServiceProfileInUse", f"Service Profile {row.id} is used by some service instance.")
        connection.execute(sa.delete(service_profiles).where(service_profiles.c.id == row.id))


FLAVORS: Final = Flavors()
PROFILES: Final = Profiles()


def _flavors_with(connection: Connection, profile_id: str) -> bool:
    holding = network_flavors.c.service_profiles.contains(f'"{profile_id}"', autoescape=True)
    return connection.execute(sa.select(network_flavors.c.id).where(holding).limit(1)).first() is not None


def profiles_of(row: Row[Any]) -> list[str]:
    """The ids of a flavor's profiles."""
    ids: list[str] = base.from_json(row.service_profiles)
    return ids


def bind(connection: Connection, flavor: Row[Any], profile_id: str) -> None:
    """Let a flavor have a profile. Raises NotFound or Conflict."""
    PROFILES.SOURCE.load(connection, profile_id)
    ids = profiles_of(flavor)
    if profile_id in ids:
        raise conflict(
            "FlavorServiceProfileBindingExists",
            f"Service Profile {profile_id} is already associated with flavor {flavor.id}.",
        )
    _store(connection, flavor, [*ids, profile_id])


def unbind(connection: Connection, flavor: Row[Any], profile_id: str) -> None:
    """Raises NotFound for a profile the flavor does not have."""
    ids = profiles_of(flavor)
    if profile_id not in ids:
        raise NotFound(
            f"Service Profile {profile_id} is not associated with flavor {flavor.id}.",
            code="FlavorServiceProfileBindingNotFound",
        )
    _store(connection, flavor, [one for one in ids if one != profile_id])


def _store(connection: Connection, flavor: Row[Any], ids: list[str]) -> None:
    table = network_flavors
    connection.execute(sa.update(table).where(table.c.id == flavor.id).values(service_profiles=base.to_json(ids)))


def next_providers(connection: Connection, flavor: Row[Any]) -> list[dict[str, Any]]:
    """The providers a new instance of this flavor could have, the best first."""
    ids = profiles_of(flavor)
    query = sa.select(service_profiles).where(service_profiles.c.id.in_(ids), service_profiles.c.enabled)
    rows = {row.id: row for row in connection.execute(query)}
    found = [rows[identifier] for identifier in ids if identifier in rows]
    return [{"driver": row.driver, "metainfo": row.metainfo, "provider": row.driver or None} for row in found]


def require_for_router(connection: Connection, flavor_id: str | None) -> None:
    """Raises NotFound for a flavor that is none of routers, Conflict for one that is switched off."""
    if flavor_id is None:
        return
    row = FLAVORS.SOURCE.load(connection, flavor_id)
    if row.service_type != ROUTER:
        raise _no_flavor(flavor_id)
    if not row.enabled:
        raise conflict("FlavorDisabled", f"Flavor {flavor_id} is not enabled.")
