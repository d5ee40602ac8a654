"""The catalog that comes with a token: enabled services and endpoints, filtered for a project, URLs filled in."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.domain import url_templates
from cumulet.identity.domain.remembered import per_generation
from cumulet.identity.tables import (
    endpoint_groups,
    endpoints,
    project_endpoint_groups,
    project_endpoints,
    services,
)

CatalogEntry = dict[str, Any]
"""{"id", "type", "name", "endpoints": [{"id", "interface", "region", "region_id", "url"}]}"""


class _Endpoint(NamedTuple):
    id: str
    interface: str
    region_id: str | None
    service_id: str
    enabled: bool
    template: url_templates.Template | None  # None: a URL that cannot be filled in is left out


class _Service(NamedTuple):
    id: str
    type: str
    name: str
    endpoints: tuple[_Endpoint, ...]


class _Catalog(NamedTuple):
    services: tuple[_Service, ...]
    filtered: bool  # whether any project has endpoints of its own
    by_group: dict[str, frozenset[str]]  # endpoint group -> its endpoints


_SERVICES = (
    sa.select(services.c.id, services.c.type, services.c.name, services.c.enabled)
    .where(services.c.enabled.is_(True))
    .order_by(services.c.type, services.c.name, services.c.id)
)
_ENDPOINTS = sa.select(
    endpoints.c.id,
    endpoints.c.interface,
    endpoints.c.region_id,
    endpoints.c.service_id,
    endpoints.c.enabled,
    endpoints.c.url,
).order_by(endpoints.c.region_id, endpoints.c.interface, endpoints.c.id)
_FILTERED = sa.select(
    sa.or_(sa.exists().select_from(project_endpoints), sa.exists().select_from(project_endpoint_groups))
)
_GROUPS = sa.select(endpoint_groups.c.id, endpoint_groups.c.filters)
_OWN = sa.select(project_endpoints.c.endpoint_id).where(project_endpoints.c.project_id == sa.bindparam("project_id"))
_OWN_GROUPS = sa.select(project_endpoint_groups.c.endpoint_group_id).where(
    project_endpoint_groups.c.project_id == sa.bindparam("project_id")
)


def entries(
    connection: Connection,
    project_id: str | None,
    user_id: str | None,
    *,
    public_endpoint: str | None = None,
    all_if_unfiltered: bool = True,
) -> list[CatalogEntry]:
    """The catalog for a token of this user and project (None: a domain's, the system's or none).

    A project with an endpoint filter gets those endpoints alone and no empty service; every other caller gets all, or
    nothing when `all_if_unfiltered` ([endpoint_filter] return_all_endpoints_if_no_filter) is off. An endpoint whose
    URL needs a project is left out where there is none. One query while nothing changes and no filter is in use.
    """
    catalog = per_generation(connection, "catalog", _load)
    allowed = _allowed(connection, catalog, project_id) if project_id is not None and catalog.filtered else None
    if not allowed and not all_if_unfiltered:
        return []
    values = {
        name: value
        for name, value in (
            ("project_id", project_id),
            ("tenant_id", project_id),
            ("user_id", user_id),
            ("public_endpoint", public_endpoint),
        )
        if value is not None
    }
    found: list[CatalogEntry] = []
    for service in catalog.services:
        reachable = _endpoints(service, values, allowed)
        if reachable or not allowed:
            found.append({"endpoints": reachable, "id": service.id, "type": service.type, "name": service.name})
    return found


def _endpoints(service: _Service, values: dict[str, str], allowed: frozenset[str] | None) -> list[dict[str, Any]]:
    found = []
    for endpoint in service.endpoints:
        if not endpoint.enabled or endpoint.template is None or (allowed and endpoint.id not in allowed):
            continue
        url = url_templates.fill(endpoint.template, values)
        if url:
            region = endpoint.region_id
            found.append(
                {"id": endpoint.id, "interface": endpoint.interface, "region_id": region, "url": url, "region": region}
            )
    return found


def _allowed(connection: Connection, catalog: _Catalog, project_id: str) -> frozenset[str]:
    project = {"project_id": project_id}
    allowed = set(connection.execute(_OWN, project).scalars())
    for group_id in connection.execute(_OWN_GROUPS, project).scalars():
        allowed |= catalog.by_group.get(group_id, frozenset())
    return frozenset(allowed)


def _load(connection: Connection) -> _Catalog:
    by_service: dict[str, list[_Endpoint]] = {}
    every: list[_Endpoint] = []
    for row in connection.execute(_ENDPOINTS):
        endpoint = _Endpoint(row.id, row.interface, row.region_id, row.service_id, row.enabled, _template(row.url))
        by_service.setdefault(endpoint.service_id, []).append(endpoint)
        every.append(endpoint)
    found = tuple(
        _Service(row.id, row.type, row.name or "", tuple(by_service.get(row.id, ())))
        for row in connection.execute(_SERVICES)
    )
    filtered = bool(connection.execute(_FILTERED).scalar())
    groups = connection.execute(_GROUPS) if filtered else ()
    return _Catalog(found, filtered, {row.id: _matching(msgspec.json.decode(row.filters), every) for row in groups})


def _template(url: str) -> url_templates.Template | None:
    try:
        return url_templates.parse(url)
    except ValueError:
        return None


def _matching(filters: dict[str, Any], every: list[_Endpoint]) -> frozenset[str]:
    """The endpoints that have every attribute an endpoint group asks for."""
    return frozenset(
        endpoint.id
        for endpoint in every
        if all(getattr(endpoint, attribute, None) == wanted for attribute, wanted in filters.items())
    )
