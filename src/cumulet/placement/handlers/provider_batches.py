"""`/resource_provider_batches`: ours, not the original's. Compute enters fleets of hosts with it."""

from __future__ import annotations

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import NO_CONTENT, Call, Reply
from cumulet.placement.domain import inventories, provider_batches
from cumulet.placement.domain.provider_batches import NewProvider
from cumulet.placement.handlers.inventories import to_inventory
from cumulet.placement.http import read_body, require_json
from cumulet.placement.schemas import provider_batches as schemas
from cumulet.placement.schemas.base import canonical, is_uuid
from cumulet.placement.service import Placement

_NEEDS = ("create", "inventories:update", "traits:update")


def create(call: Call[Placement]) -> Reply:
    """Whoever may do each of its parts may do it."""
    require_json(call)
    for what in _NEEDS:
        call.service.policy.can(call.ctx, f"placement:resource_providers:{what}")
    body = read_body(call, schemas.Batch)
    batch = [_new(one) for one in body.resource_providers]
    for one in batch:
        inventories.check_capacity(one.uuid, one.inventories, call.version, "create")
    provider_batches.create(call.service, batch)
    return NO_CONTENT


def _new(given: schemas.NewProvider) -> NewProvider:
    if not is_uuid(given.uuid):
        raise BadRequest(f"uuid: '{given.uuid}' is not a 'uuid'")
    offered = {name: to_inventory(record) for name, record in given.inventories.items()}
    return NewProvider(canonical(given.uuid), given.name, offered, frozenset(given.traits))
