"""`/resource_providers/{uuid}/inventories`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cumulet.kernel.errors import MethodNotAllowed, NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply
from cumulet.placement.domain import inventories
from cumulet.placement.domain.inventories import Inventory
from cumulet.placement.http import answer, location, read_body, require_acceptable, require_json
from cumulet.placement.schemas import inventories as schemas
from cumulet.placement.service import Placement
from cumulet.placement.views.resource_providers import path


def to_inventory(record: schemas.Record) -> Inventory:
    return Inventory(
        total=record.total,
        reserved=record.reserved,
        min_unit=record.min_unit,
        max_unit=record.max_unit,
        step_size=record.step_size,
        allocation_ratio=record.allocation_ratio,
    )


def _view(inventory: Any) -> dict[str, Any]:
    """`inventory` is an Inventory or a row."""
    return {
        "total": inventory.total,
        "reserved": inventory.reserved,
        "min_unit": inventory.min_unit,
        "max_unit": inventory.max_unit,
        "step_size": inventory.step_size,
        "allocation_ratio": inventory.allocation_ratio,
    }


def _one(inventory: Any, generation: int) -> dict[str, Any]:
    return {**_view(inventory), "resource_provider_generation": generation}


def _all(by_class: Mapping[str, Any], generation: int) -> dict[str, Any]:
    return {
        "resource_provider_generation": generation,
        "inventories": {name: _view(inventory) for name, inventory in by_class.items()},
    }


def index(call: Call[Placement], uuid: str) -> Reply:
    require_acceptable(call)
    call.service.policy.can(call.ctx, "placement:resource_providers:inventories:list")
    provider, found = inventories.find(call.service, uuid)
    modified_at = max((row.updated_at for row in found.values()), default=None)
    return answer(call, _all(found, provider.generation), modified_at)


def show(call: Call[Placement], uuid: str, resource_class: str) -> Reply:
    require_acceptable(call)
    call.service.policy.can(call.ctx, "placement:resource_providers:inventories:show")
    provider, found = inventories.find(call.service, uuid)
    row = found.get(resource_class)
    if row is None:
        raise NotFound(f"No inventory of class {resource_class} for {uuid}")
    return answer(call, _one(row, provider.generation), row.updated_at)


def create(call: Call[Placement], uuid: str) -> Reply:
    require_json(call)
    call.service.policy.can(call.ctx, "placement:resource_providers:inventories:create")
    body = read_body(call, schemas.Create)
    inventory, name = to_inventory(body), body.resource_class
    inventories.check_capacity(uuid, {name: inventory}, call.version, "create")
    provider = inventories.create(call.service, uuid, name, inventory)
    where = location(call, f"{path(uuid)}/inventories/{name}")
    return answer(call, _one(inventory, provider.generation), provider.updated_at, status=201, headers=where)


def update(call: Call[Placement], uuid: str, resource_class: str) -> Reply:
    require_json(call)
    call.service.policy.can(call.ctx, "placement:resource_providers:inventories:update")
    body = read_body(call, schemas.Update)
    inventory = to_inventory(body)
    inventories.check_capacity(uuid, {resource_class: inventory}, call.version, "update")
    provider = inventories.update(call.service, uuid, resource_class, inventory, body.resource_provider_generation)
    return answer(call, _one(inventory, provider.generation), provider.updated_at)


def replace(call: Call[Placement], uuid: str) -> Reply:
    require_json(call)
    call.service.policy.can(call.ctx, "placement:resource_providers:inventories:update")
    body = read_body(call, schemas.Replace)
    wanted = {name: to_inventory(record) for name, record in body.inventories.items()}
    inventories.check_capacity(uuid, wanted, call.version, "update")
    provider = inventories.replace(call.service, uuid, wanted, body.resource_provider_generation)
    return answer(call, _all(wanted, provider.generation), provider.updated_at)


def delete(call: Call[Placement], uuid: str, resource_class: str) -> Reply:
    call.service.policy.can(call.ctx, "placement:resource_providers:inventories:delete")
    inventories.delete(call.service, uuid, resource_class)
    return NO_CONTENT


def delete_all(call: Call[Placement], uuid: str) -> Reply:
    call.service.policy.can(call.ctx, "placement:resource_providers:inventories:delete")
    inventories.replace(call.service, uuid, {}, None)
    return NO_CONTENT


def delete_all_not_yet(call: Call[Placement], uuid: str) -> Reply:
    """Before 1.5 the path was there and the method was not."""
    raise MethodNotAllowed(
        "The method specified is not allowed for this resource.", headers={"Allow": "GET, POST, PUT"}
    )
