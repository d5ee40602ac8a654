"""`/allocations` and `/resource_providers/{uuid}/allocations`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import NO_CONTENT, Call, Reply
from cumulet.placement.domain import allocations
from cumulet.placement.domain.allocations import AllocationRow
from cumulet.placement.domain.consumers import Claim
from cumulet.placement.domain.usages import UNKNOWN
from cumulet.placement.http import answer, read_body, require_acceptable, require_json
from cumulet.placement.schemas import allocations as schemas
from cumulet.placement.schemas.base import UuidKey, canonical, is_uuid
from cumulet.placement.service import Placement

_OWNER_SINCE = (1, 12)
_GENERATION_SINCE = (1, 28)
_TYPE_SINCE = (1, 38)


def to_claim(consumer_uuid: str, body: schemas.Owned) -> Claim:
    """What a consumer shall have, from the form that bodies have since 1.12."""
    return Claim(
        consumer_uuid=consumer_uuid,
        project_id=body.project_id,
        user_id=body.user_id,
        amounts={uuid: allocation.resources for uuid, allocation in body.allocations.items()},
        generation=body.consumer_generation if isinstance(body, schemas.WithGeneration) else UNSET,
        type=body.consumer_type if isinstance(body, schemas.WithType) else UNSET,
    )


def to_claims(body: Mapping[str, schemas.Owned]) -> list[Claim]:
    return [to_claim(consumer_uuid, owned) for consumer_uuid, owned in body.items()]


def _listed_claim(call: Call[Placement], consumer_uuid: str, body: schemas.Listed) -> Claim:
    """Before 1.12 allocations were a list; before 1.8 nobody said whose they were."""
    owner = body if isinstance(body, schemas.ListedWithOwner) else None
    options = call.service.conf.placement
    return Claim(
        consumer_uuid=consumer_uuid,
        project_id=owner.project_id if owner else options.incomplete_consumer_project_id,
        user_id=owner.user_id if owner else options.incomplete_consumer_user_id,
        amounts={one.resource_provider.uuid: one.resources for one in body.allocations},
    )


def replace(call: Call[Placement], consumer_uuid: str) -> Reply:
    require_json(call)
    call.service.policy.can(call.ctx, "placement:allocations:update")
    if not is_uuid(consumer_uuid):
        raise BadRequest(f"Malformed consumer_uuid: {consumer_uuid}")
    uuid = canonical(consumer_uuid)
    body = read_body(call, schemas.of_consumer(call.version))
    claim = to_claim(uuid, body) if isinstance(body, schemas.Owned) else _listed_claim(call, uuid, body)
    allocations.replace(call.service, [claim])
    return NO_CONTENT


def replace_many(call: Call[Placement]) -> Reply:
    require_json(call)
    call.service.policy.can(call.ctx, "placement:allocations:manage")
    kind: Any = dict[UuidKey, schemas.of_many(call.version)]  # type: ignore[misc]
    body = read_body(call, kind)
    if not body:
        raise BadRequest("JSON does not validate: {} should be non-empty")
    allocations.replace(call.service, to_claims(body))
    return NO_CONTENT


def delete(call: Call[Placement], consumer_uuid: str) -> Reply:
    call.service.policy.can(call.ctx, "placement:allocations:delete")
    allocations.delete(call.service, consumer_uuid)
    return NO_CONTENT


def _modified_at(rows: Sequence[AllocationRow]) -> int | None:
    return max((row.created_at for row in rows), default=None)


def show(call: Call[Placement], consumer_uuid: str) -> Reply:
    require_acceptable(call)
    call.service.policy.can(call.ctx, "placement:allocations:list")
    rows = allocations.of_consumer(call.service, consumer_uuid)
    by_provider: dict[str, Any] = {}
    for row in rows:
        entry = by_provider.setdefault(row.provider_uuid, {"resources": {}, "generation": row.provider_generation})
        entry["resources"][row.resource_class] = row.used
    body: dict[str, Any] = {"allocations": by_provider}
    if rows and call.version >= _OWNER_SINCE:
        body |= _owner(call, rows[0])
    return answer(call, body, _modified_at(rows))


def _owner(call: Call[Placement], row: AllocationRow) -> dict[str, Any]:
    owner: dict[str, Any] = {"project_id": row.project_id, "user_id": row.user_id}
    if call.version >= _GENERATION_SINCE:
        owner["consumer_generation"] = row.generation
    if call.version >= _TYPE_SINCE:
        owner["consumer_type"] = UNKNOWN if row.type is None else row.type
    return owner


def index_of_provider(call: Call[Placement], uuid: str) -> Reply:
    require_acceptable(call)
    call.service.policy.can(call.ctx, "placement:resource_providers:allocations:list")
    provider, rows = allocations.of_provider(call.service, uuid)
    with_generation = call.version >= _GENERATION_SINCE
    by_consumer: dict[str, Any] = {}
    for row in rows:
        entry = by_consumer.setdefault(row.consumer_uuid, {"resources": {}})
        entry["resources"][row.resource_class] = row.used
        if with_generation:
            entry["consumer_generation"] = row.generation
    body = {"allocations": by_consumer, "resource_provider_generation": provider.generation}
    return answer(call, body, _modified_at(rows))
