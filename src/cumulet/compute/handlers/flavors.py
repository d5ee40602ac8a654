"""`/v2.1/flavors` (Compute API, Flavors)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Row

from cumulet.compute import views
from cumulet.compute.bodies import read, require_version
from cumulet.compute.domain import flavors
from cumulet.compute.schemas.flavors import SINCE, UNTIL, DescribedBody, FlavorBody
from cumulet.compute.service import Compute
from cumulet.compute.tables import flavors as table
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply
from cumulet.kernel.ids import uuid_id

_SORTABLE = {
    "created_at": "created_at",
    "description": "description",
    "disabled": "disabled",
    "ephemeral_gb": "ephemeral_gb",
    "flavorid": "id",
    "id": "position",
    "is_public": "is_public",
    "memory_mb": "memory_mb",
    "name": "name",
    "root_gb": "root_gb",
    "rxtx_factor": "rxtx_factor",
    "swap": "swap_mb",
    "updated_at": "updated_at",
    "vcpu_weight": "position",  # nobody has one
    "vcpus": "vcpus",
}


def _brief(call: Call[Compute], row: Row[Any]) -> dict[str, Any]:
    view = {"id": row.id, "name": row.name, "links": views.links(call, f"flavors/{row.id}")}
    if call.version >= (2, 55):
        view["description"] = row.description
    return view


def view(call: Call[Compute], row: Row[Any]) -> dict[str, Any]:
    """One flavor in full, as its microversion shows it."""
    shown = {
        "id": row.id,
        "name": row.name,
        "ram": row.memory_mb,
        "disk": row.root_gb,
        "vcpus": row.vcpus,
        "swap": row.swap_mb or (0 if call.version >= (2, 75) else ""),
        "OS-FLV-EXT-DATA:ephemeral": row.ephemeral_gb,
        "os-flavor-access:is_public": row.is_public,
        "links": views.links(call, f"flavors/{row.id}"),
    }
    if call.version < (2, 102):
        shown |= {"rxtx_factor": row.rxtx_factor, "OS-FLV-DISABLED:disabled": row.disabled}
    if call.version >= (2, 55):
        shown["description"] = row.description
    if call.version >= (2, 61) and call.service.policy.allows(
        call.ctx, "os_compute_api:os-flavor-extra-specs:index", {"project_id": call.ctx.project_id}
    ):
        shown["extra_specs"] = msgspec.Raw(row.extra_specs.encode())
    return shown


_QUERY: Final = ("limit", "marker", "is_public", "minRam", "minDisk", "sort_key", "sort_dir")


def index(call: Call[Compute]) -> Reply:
    return _list(call, "flavors", _brief)


def detail(call: Call[Compute]) -> Reply:
    return _list(call, "flavors/detail", view)


def _no_choice(parameter: str, value: str, choices: list[str]) -> BadRequest:
    return BadRequest(
        f"Invalid input for query parameters {parameter}. Value: {value}. '{value}' is not one of {choices}"
    )


def _list(call: Call[Compute], path: str, show: Any) -> Reply:
    limit, marker = views.page(call)
    query = call.query()
    views.require_known(call, (*_QUERY, "name") if call.version >= (2, 102) else _QUERY)
    key = (query.get("sort_key") or ["flavorid"])[-1]
    if key not in _SORTABLE:
        raise _no_choice("sort_key", key, [*_SORTABLE])
    direction = (query.get("sort_dir") or ["asc"])[-1]
    if direction not in ("asc", "desc"):
        raise _no_choice("sort_dir", direction, ["asc", "desc"])
    with call.service.db.read() as connection:
        rows = flavors.find(
            connection,
            call.ctx,
            _conditions(call, query),
            sort=_SORTABLE[key],
            descending=direction == "desc",
            limit=limit,
            marker=marker,
        )
    body: dict[str, Any] = {"flavors": [show(call, row) for row in rows[:limit]]}
    if len(rows) > limit and limit:
        body["flavors_links"] = views.next_links(call, path, rows[limit - 1].id)
    return Reply(body)


def _conditions(call: Call[Compute], query: dict[str, list[str]]) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [sa.not_(table.c.disabled)] if not call.ctx.is_admin else []
    for key, column in (("minRam", table.c.memory_mb), ("minDisk", table.c.root_gb)):
        text = (query.get(key) or [""])[-1]
        if not text:
            continue
        if not text.lstrip("-").isdigit():
            raise BadRequest(f"Invalid {key} filter [{text}]")
        conditions.append(column >= int(text))
    if call.version >= (2, 102) and query.get("name"):
        conditions.append(table.c.name.contains(query["name"][-1], autoescape=True))
    public = (query.get("is_public") or ["true"])[-1].lower()
    if not call.ctx.is_admin:
        return conditions
    if public in ("none",):
        return conditions
    if public in ("t", "true", "yes", "1"):
        conditions.append(table.c.is_public)
    elif public in ("f", "false", "no", "0"):
        conditions.append(sa.not_(table.c.is_public))
    else:
        raise BadRequest(f"Invalid is_public filter [{public}]")
    return conditions


def show(call: Call[Compute], flavor_id: str) -> Reply:
    with call.service.db.read() as connection:
        row = flavors.load(connection, flavor_id, call.ctx)
    return Reply({"flavor": view(call, row)})


def create(call: Call[Compute]) -> Reply:
    given = read(call, FlavorBody).flavor
    require_version(call, given, SINCE, UNTIL)
    call.service.policy.can(call.ctx, "os_compute_api:os-flavor-manage:create")
    values = {
        # "auto", which clients send for one of the cloud's choice, is as good as none; so was 0 always.
        "id": uuid_id() if given.id in ("auto", 0, None) else str(given.id),
        "name": given.name,
        "description": None if given.description is msgspec.UNSET else given.description,
        "vcpus": given.vcpus,
        "memory_mb": given.ram,
        "root_gb": given.disk,
        "ephemeral_gb": given.ephemeral,
        "swap_mb": given.swap,
        "rxtx_factor": 1.0 if given.rxtx_factor is msgspec.UNSET else given.rxtx_factor,
        "is_public": given.is_public,
    }
    return Reply({"flavor": view(call, flavors.create(call.service, values))})


def update(call: Call[Compute], flavor_id: str) -> Reply:
    description = read(call, DescribedBody).flavor.description
    call.service.policy.can(call.ctx, "os_compute_api:os-flavor-manage:update")
    return Reply({"flavor": view(call, flavors.describe(call.service, flavor_id, description))})


def delete(call: Call[Compute], flavor_id: str) -> Reply:
    call.service.policy.can(call.ctx, "os_compute_api:os-flavor-manage:delete")
    flavors.delete(call.service, flavor_id)
    return Reply(status=202)
