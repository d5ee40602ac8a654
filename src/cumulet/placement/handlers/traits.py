"""`/traits` and `/resource_providers/{uuid}/traits`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import NO_CONTENT, Call, Reply
from cumulet.placement.domain import traits
from cumulet.placement.domain.traits import TraitRow
from cumulet.placement.http import answer, location, read_body, read_query, require_acceptable, require_json
from cumulet.placement.schemas.traits import CUSTOM_TRAIT, QUERY_KEYS, Replace
from cumulet.placement.service import Placement


def _names(rows: Sequence[TraitRow]) -> list[str]:
    return [row.name for row in rows]


def _modified_at(rows: Sequence[TraitRow]) -> int | None:
    return max((row.updated_at for row in rows), default=None)


def index(call: Call[Placement]) -> Reply:
    require_acceptable(call)
    call.service.policy.can(call.ctx, "placement:traits:list")
    query = {key: values[-1] for key, values in read_query(call, QUERY_KEYS).items()}
    chosen = _name_filter(query["name"]) if "name" in query else {}
    if "associated" in query:
        chosen["associated"] = _associated(query["associated"])
    found = traits.find(call.service, **chosen)
    return answer(call, {"traits": _names(found)}, _modified_at(found))


def _name_filter(text: str) -> dict[str, Any]:
    """`in:A,B` or `startswith:PREFIX`; any other operator chooses nothing out, as ever."""
    operator, separator, value = text.partition(":")
    if not separator:
        raise BadRequest(
            "Badly formatted name parameter. Expected name query string parameter in form: "
            f'?name=[in|startswith]:[name1,name2|prefix]. Got: "{text}"'
        )
    if operator == "in":
        return {"names": value.split(",")}
    return {"prefix": value} if operator == "startswith" else {}


def _associated(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise BadRequest('The query parameter "associated" only accepts "true" or "false"')
    return text.lower() == "true"


def show(call: Call[Placement], name: str) -> Reply:
    call.service.policy.can(call.ctx, "placement:traits:show")
    return answer(call, None, traits.show(call.service, name).updated_at, status=204)


def ensure(call: Call[Placement], name: str) -> Reply:
    call.service.policy.can(call.ctx, "placement:traits:update")
    if not CUSTOM_TRAIT.fullmatch(name):
        raise BadRequest(
            "The trait is invalid. A valid trait must be no longer than 255 characters, start with the prefix "
            '"CUSTOM_" and use following characters: "A"-"Z", "0"-"9" and "_"'
        )
    row, is_new = traits.ensure(call.service, name)
    where = location(call, f"/traits/{name}")
    return answer(call, None, row.updated_at, status=201 if is_new else 204, headers=where)


def delete(call: Call[Placement], name: str) -> Reply:
    call.service.policy.can(call.ctx, "placement:traits:delete")
    traits.delete(call.service, name)
    return NO_CONTENT


def _of_provider(rows: Sequence[TraitRow], generation: int) -> dict[str, Any]:
    return {"traits": _names(rows), "resource_provider_generation": generation}


def index_of_provider(call: Call[Placement], uuid: str) -> Reply:
    require_acceptable(call)
    call.service.policy.can(call.ctx, "placement:resource_providers:traits:list")
    provider, found = traits.of_provider(call.service, uuid)
    return answer(call, _of_provider(found, provider.generation), _modified_at(found))


def replace_of_provider(call: Call[Placement], uuid: str) -> Reply:
    require_json(call)
    call.service.policy.can(call.ctx, "placement:resource_providers:traits:update")
    body = read_body(call, Replace)
    provider, found = traits.replace_of_provider(call.service, uuid, body.traits, body.resource_provider_generation)
    return answer(call, _of_provider(found, provider.generation), _modified_at(found))


def delete_of_provider(call: Call[Placement], uuid: str) -> Reply:
    call.service.policy.can(call.ctx, "placement:resource_providers:traits:delete")
    traits.replace_of_provider(call.service, uuid, (), None)
    return NO_CONTENT
