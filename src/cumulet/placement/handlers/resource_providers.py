"""`/resource_providers`."""

from __future__ import annotations

from msgspec import UNSET

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import NO_CONTENT, Call, Reply
from cumulet.kernel.ids import uuid_id
from cumulet.placement.domain import provider_lists, resource_providers
from cumulet.placement.domain.provider_lists import Filters, UnknownClass, UnknownTrait
from cumulet.placement.domain.search.request import Group
from cumulet.placement.http import answer, location, read_body, read_query, require_acceptable, require_json
from cumulet.placement.schemas import filters
from cumulet.placement.schemas import resource_providers as schemas
from cumulet.placement.schemas.base import canonical, is_uuid
from cumulet.placement.service import Placement
from cumulet.placement.views.resource_providers import listing, path, view

_PARENT_SINCE = (1, 14)
_BODY_SINCE = (1, 20)
_REPARENTING_SINCE = (1, 37)


def index(call: Call[Placement]) -> Reply:
    require_acceptable(call)
    call.service.policy.can(call.ctx, "placement:resource_providers:list")
    wanted = _filters(read_query(call, schemas.query_keys(call.version)), call)
    try:
        found = provider_lists.find(call.service.snapshots.current(), wanted)
    except UnknownClass as error:
        raise BadRequest(f"Invalid resource class in resources parameter: No such resource class {error}.") from None
    except UnknownTrait as error:
        raise BadRequest(f'Invalid trait(s) in "required" parameter: No such trait(s): {error}.') from None
    modified_at = max((provider.updated_at for provider in found), default=None)
    return answer(call, listing(call, found), modified_at)


def _filters(query: dict[str, list[str]], call: Call[Placement]) -> Filters:
    last = {key: values[-1] for key, values in query.items()}
    for key in ("uuid", "in_tree"):
        if key in last and not is_uuid(last[key]):
            raise BadRequest(f"Invalid query string parameters: '{last[key]}' is not a 'uuid' ({key})")
    member_of, forbidden_aggregates = filters.aggregates(query.get("member_of", ()), call.version)
    required, forbidden = filters.traits(query.get("required", ()), call.version)
    return Filters(
        name=last.get("name") or None,
        uuid=last.get("uuid"),
        in_tree=last.get("in_tree"),
        group=Group(
            suffix="",
            resources=filters.resources(last["resources"]) if "resources" in last else {},
            required=required,
            forbidden=forbidden,
            member_of=member_of,
            forbidden_aggregates=forbidden_aggregates,
        ),
    )


def show(call: Call[Placement], uuid: str) -> Reply:
    require_acceptable(call)
    call.service.policy.can(call.ctx, "placement:resource_providers:show")
    provider = resource_providers.show(call.service, uuid)
    return answer(call, view(call, provider), provider.updated_at)


def create(call: Call[Placement]) -> Reply:
    require_json(call)
    call.service.policy.can(call.ctx, "placement:resource_providers:create")
    body = read_body(call, schemas.CreateNested if call.version >= _PARENT_SINCE else schemas.Create)
    uuid = uuid_id() if body.uuid is UNSET else canonical(body.uuid)
    parent_uuid = body.parent_provider_uuid if isinstance(body, schemas.CreateNested) else None
    provider = resource_providers.create(call.service, uuid, body.name, parent_uuid)
    where = location(call, path(uuid))
    if call.version < _BODY_SINCE:
        return Reply(status=201, headers=where)
    return answer(call, view(call, provider), provider.updated_at, headers=where)


def update(call: Call[Placement], uuid: str) -> Reply:
    require_json(call)
    call.service.policy.can(call.ctx, "placement:resource_providers:update")
    body = read_body(call, schemas.UpdateNested if call.version >= _PARENT_SINCE else schemas.Update)
    provider = resource_providers.update(
        call.service,
        uuid,
        body.name,
        body.parent_provider_uuid if isinstance(body, schemas.UpdateNested) else UNSET,
        may_reparent=call.version >= _REPARENTING_SINCE,
    )
    return answer(call, view(call, provider), provider.updated_at)


def delete(call: Call[Placement], uuid: str) -> Reply:
    call.service.policy.can(call.ctx, "placement:resource_providers:delete")
    resource_providers.delete(call.service, uuid)
    return NO_CONTENT
