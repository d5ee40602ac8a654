"""`/resource_providers/{uuid}/aggregates`."""

from __future__ import annotations

from collections.abc import Sequence

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply
from cumulet.placement.domain import aggregates
from cumulet.placement.domain.resource_providers import ProviderRow
from cumulet.placement.http import answer, read_body, require_acceptable, require_json
from cumulet.placement.schemas.aggregates import Replace, Uuids
from cumulet.placement.service import Placement

_GENERATION_SINCE = (1, 19)


def _reply(call: Call[Placement], provider: ProviderRow, uuids: Sequence[str]) -> Reply:
    body: dict[str, object] = {"aggregates": list(uuids)}
    if call.version >= _GENERATION_SINCE:
        body["resource_provider_generation"] = provider.generation
    return answer(call, body)


def index(call: Call[Placement], uuid: str) -> Reply:
    require_acceptable(call)
    call.service.policy.can(call.ctx, "placement:resource_providers:aggregates:list")
    provider, found = aggregates.of_provider(call.service, uuid)
    return _reply(call, provider, found)


def replace(call: Call[Placement], uuid: str) -> Reply:
    require_json(call)
    call.service.policy.can(call.ctx, "placement:resource_providers:aggregates:update")
    wanted: list[str]
    generation = None
    if call.version >= _GENERATION_SINCE:
        body = read_body(call, Replace)
        wanted, generation = body.aggregates, body.resource_provider_generation
    else:
        wanted = read_body(call, Uuids)
    if len(set(wanted)) != len(wanted):
        raise BadRequest(f"JSON does not validate: {wanted} has non-unique elements (aggregates)")
    provider = aggregates.replace(call.service, uuid, wanted, generation)
    return _reply(call, provider, wanted)
