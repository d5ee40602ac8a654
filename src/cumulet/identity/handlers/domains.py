"""`/v3/domains` (Identity API v3, Domains)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Raw, Struct

from cumulet.identity import paging, rendering, views
from cumulet.identity.domain import domains
from cumulet.identity.domain.projects import Project
from cumulet.identity.schemas.domains import DomainChangesBody, DomainQuery, NewDomainBody
from cumulet.identity.schemas.flags import truth
from cumulet.identity.schemas.projects import DomainView, SelfLink
from cumulet.identity.service import Identity
from cumulet.kernel.errors import NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def _view(call: Call[Identity], domain: Project) -> dict[str, Any]:
    shown = {
        **domain.extra,
        "id": domain.id,
        "name": domain.name,
        "description": domain.description,
        "enabled": domain.enabled,
        "tags": domain.tags,
        "options": domain.options,
    }
    return views.with_self(call, "domains", shown)


def _row_views(call: Call[Identity], rows: list[Any], tags: dict[str, list[str]]) -> list[Struct | Raw]:
    prefix = views.self_url(call, "domains/")
    shown = []
    for domain_id, _, _, name, description, enabled, _, options, extra in rows:
        link = SelfLink(prefix + domain_id)
        one = DomainView(domain_id, name, description, enabled, tags.get(domain_id, []), Raw(options), link)
        shown.append(rendering.spliced(extra, one))
    return shown


def index(call: Call[Identity]) -> Reply:
    own = call.ctx.domain_id
    target = None if own is None else {"target": {"domain": {"id": own}}}
    call.service.policy.can(call.ctx, "identity:list_domains", target)
    query, wanted = call.query(), call.filters(DomainQuery)
    chosen: dict[str, Any] = paging.text_comparisons(query, "name")
    if wanted.name is not None:
        chosen["name"] = wanted.name
    if wanted.enabled is not None:
        chosen["enabled"] = truth(wanted.enabled)
    if own is not None:
        chosen["id"] = own
    page, tags = domains.find(call.service, chosen, paging.window(call, query, "resource"))
    return Reply(paging.body(call, "domains", _row_views(call, page.rows, tags), page))


def show(call: Call[Identity], domain_id: str) -> Reply:
    # What rules ask of a domain is its id alone, so who may not see it need not learn whether it exists.
    call.service.policy.can(call.ctx, "identity:get_domain", {"target": {"domain": {"id": domain_id}}})
    return Reply({"domain": _view(call, domains.show(call.service, domain_id))})


def create(call: Call[Identity]) -> Reply:
    call.service.policy.can(call.ctx, "identity:create_domain")
    values, extra = _given(call, NewDomainBody)
    explicit = values.pop("explicit_domain_id", None)
    if explicit is not None:
        values["id"] = UUID(explicit).hex
    return Reply({"domain": _view(call, domains.create(call.service, values, extra))}, 201)


def _given(call: Call[Identity], body: type[Struct]) -> tuple[dict[str, Any], dict[str, Any]]:
    values, extra = rendering.given(call, "domain", body)
    for name in ("id", "domain_id", "parent_id", "is_domain"):
        values.pop(name, None)
    return values, extra


def _can(call: Call[Identity], rule: str, domain_id: str) -> None:
    """Ask the rule, with the domain's attributes where there is one."""
    target: dict[str, Any] = {"id": domain_id}
    try:
        domain = domains.show(call.service, domain_id)
        target |= {"name": domain.name, "enabled": domain.enabled}
    except NotFound:
        call.service.policy.can(call.ctx, rule, {"target": {"domain": target}})
        raise
    call.service.policy.can(call.ctx, rule, {"target": {"domain": target}})


def update(call: Call[Identity], domain_id: str) -> Reply:
    _can(call, "identity:update_domain", domain_id)
    values, extra = rendering.given(call, "domain", DomainChangesBody)
    if not values and not extra:
        views.check_changes(values, extra, domain_id)
    values, extra = _given(call, DomainChangesBody)
    return Reply({"domain": _view(call, domains.update(call.service, domain_id, values, extra))})


def delete(call: Call[Identity], domain_id: str) -> Reply:
    _can(call, "identity:delete_domain", domain_id)
    domains.delete(call.service, domain_id)
    return NO_CONTENT
