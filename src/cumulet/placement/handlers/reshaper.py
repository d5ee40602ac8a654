"""`/reshaper`."""

from __future__ import annotations

from typing import Any

from cumulet.kernel.http import NO_CONTENT, Call, Reply
from cumulet.placement.domain import reshaper
from cumulet.placement.domain.reshaper import Shape
from cumulet.placement.handlers.allocations import to_claims
from cumulet.placement.handlers.inventories import to_inventory
from cumulet.placement.http import convert, read_body, require_json
from cumulet.placement.schemas import allocations as allocation_schemas
from cumulet.placement.schemas.base import UuidKey
from cumulet.placement.schemas.reshaper import Reshape
from cumulet.placement.service import Placement


def reshape(call: Call[Placement]) -> Reply:
    require_json(call)
    call.service.policy.can(call.ctx, "placement:reshaper:reshape")
    body = read_body(call, Reshape)
    kind: Any = dict[UuidKey, allocation_schemas.of_many(call.version)]  # type: ignore[misc]
    owned = convert(body.allocations, kind)
    shapes = {
        uuid: Shape(
            shape.resource_provider_generation,
            {name: to_inventory(record) for name, record in shape.inventories.items()},
        )
        for uuid, shape in body.inventories.items()
    }
    reshaper.reshape(call.service, shapes, to_claims(owned))
    return NO_CONTENT
