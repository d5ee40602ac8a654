"""`/usages` and `/resource_providers/{uuid}/usages`."""

from __future__ import annotations

from typing import Any

from cumulet.kernel import bodies
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply
from cumulet.placement.domain import usages
from cumulet.placement.http import answer, phrase, require_acceptable
from cumulet.placement.schemas.usages import Query, QueryByType
from cumulet.placement.service import Placement

_BY_TYPE_SINCE = (1, 38)


def show_of_provider(call: Call[Placement], uuid: str) -> Reply:
    require_acceptable(call)
    call.service.policy.can(call.ctx, "placement:resource_providers:usages")
    provider, found = usages.of_provider(call.service, uuid)
    return answer(call, {"resource_provider_generation": provider.generation, "usages": found})


def index(call: Call[Placement]) -> Reply:
    require_acceptable(call)
    given = call.query()
    target = {"project_id": given.get("project_id", [None])[-1]}
    call.service.policy.can(call.ctx, "placement:usages", target)
    query = _query(given, QueryByType if call.version >= _BY_TYPE_SINCE else Query)
    found: dict[str, Any]
    if isinstance(query, QueryByType):
        by_type = usages.by_type(call.service, query.project_id, query.user_id, query.consumer_type)
        found = {name: {"consumer_count": usage.consumer_count, **usage.amounts} for name, usage in by_type.items()}
    else:
        found = usages.of_project(call.service, query.project_id, query.user_id)
    return answer(call, {"usages": found})


def _query(given: dict[str, list[str]], kind: type[Query]) -> Query:
    try:
        return bodies.query_struct(given, kind)
    except BadRequest as error:
        raise BadRequest(f"Invalid query string parameters: {phrase(error.message)}") from None
