"""`/v3/users` (Identity API v3, Users)."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Raw, Struct, json

from cumulet.identity import paging, rendering, views
from cumulet.identity.domain import user_security, users
from cumulet.identity.domain.listing import ALL, Page
from cumulet.identity.domain.users import User
from cumulet.identity.schemas.flags import truth
from cumulet.identity.schemas.projects import SelfLink
from cumulet.identity.schemas.users import (
    NewUserBody,
    PasswordChangeBody,
    UserChangesBody,
    UserQuery,
    UserView,
)
from cumulet.identity.service import Identity
from cumulet.kernel import clock
from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply

_OPERATORS = ("eq", "neq", "lt", "lte", "gt", "gte")


def moment(at: int | None) -> str | None:
    """`2026-01-31T12:00:00.000000`: the form of password_expires_at, without the zone."""
    return None if at is None else clock.iso_micro(at)[:-1]


def view(call: Call[Identity], user: User) -> dict[str, Any]:
    identity = call.service
    shown: dict[str, Any] = {
        **user.extra,
        "id": user.id,
        "name": user.name,
        "domain_id": user.domain_id,
        "enabled": user_security.is_enabled(identity.conf, user, identity.now()),
        "password_expires_at": moment(user.password_expires_at),
        "options": user.options,
    }
    if user.default_project_id is not None:
        shown["default_project_id"] = user.default_project_id
    return views.with_self(call, "users", shown)


def row_views(call: Call[Identity], rows: list[Any]) -> list[Struct | Raw]:
    """Rows of `users.LISTED` as the API shows them."""
    prefix = views.self_url(call, "users/")
    idle_day = user_security.idle_before(call.service.conf, call.service.now())
    shown = []
    for user_id, domain_id, name, enabled, default_project_id, options, extra, expires_at, active_on in rows:
        if idle_day is not None and active_on is not None and active_on < idle_day:
            enabled = enabled and json.decode(options).get("ignore_user_inactivity", False)
        one = UserView(
            user_id,
            name,
            domain_id,
            bool(enabled),
            None if expires_at is None else moment(expires_at),
            rendering.NOTHING if options == "{}" else Raw(options),
            SelfLink(prefix + user_id),
            UNSET if default_project_id is None else default_project_id,
        )
        shown.append(one if extra == "{}" else rendering.spliced(extra, one))
    return shown


def filters(call: Call[Identity], query: paging.Query) -> dict[str, Any] | None:
    """What to filter users by; None where no user can be meant. Raises BadRequest."""
    wanted = call.filters(UserQuery)
    if wanted.idp_id or wanted.protocol_id or wanted.unique_id:
        return None  # no user comes from another identity provider
    chosen: dict[str, Any] = paging.text_comparisons(query, "name")
    if wanted.domain_id is not None:
        chosen["domain_id"] = wanted.domain_id
    if wanted.name is not None:
        chosen["name"] = wanted.name
    if wanted.enabled is not None:
        chosen["enabled"] = truth(wanted.enabled)
    for condition in wanted.password_expires_at:
        operator, at = _expiry_condition(condition)
        chosen[f"password_expires_at__{operator}"] = at
    if call.ctx.domain_id is not None:
        chosen["within"] = call.ctx.domain_id
    return chosen


def _expiry_condition(text: str) -> tuple[str, int]:
    """`lt:2026-01-31T12:00:00Z`, or a time alone, as an operator and µs."""
    operator, colon, rest = text.partition(":")
    if not (colon and operator.isalpha()):
        operator, rest = "eq", text
    if operator not in _OPERATORS:
        raise BadRequest(
            f"The given operator {operator} is not valid. It must be one of the following: 'eq', 'neq', 'lt', 'lte', "
            "'gt', or 'gte'."
        )
    try:
        return operator, clock.parse(rest)
    except ValueError:
        raise BadRequest("Invalid input for field 'password_expires_at': timestamp not in expected format.") from None


def index(call: Call[Identity]) -> Reply:
    target = None if call.ctx.domain_id is None else {"target": {"domain_id": call.ctx.domain_id}}
    call.service.policy.can(call.ctx, "identity:list_users", target)
    return listed(call, {})


def listed(call: Call[Identity], more: dict[str, Any]) -> Reply:
    """The users that meet the query and the filters `more`."""
    query = call.query()
    chosen = filters(call, query)
    window = paging.window(call, query, "identity")
    page = Page([], False, ALL) if chosen is None else users.find(call.service, {**chosen, **more}, window)
    return Reply(paging.body(call, "users", row_views(call, page.rows), page))


def allowed(call: Call[Identity], user_id: str, rule: str) -> User:
    """The user, if the caller may do this. A caller who may not does not learn whether it exists."""
    try:
        user = users.show(call.service, user_id)
    except NotFound:
        call.service.policy.can(call.ctx, rule, {"user_id": user_id})
        raise
    call.service.policy.can(call.ctx, rule, {"user_id": user_id, "target": {"user": target(user)}})
    return user


def target(user: User) -> dict[str, Any]:
    """What rules may ask of a user."""
    return {"id": user.id, "name": user.name, "domain_id": user.domain_id, "enabled": user.enabled}


def show(call: Call[Identity], user_id: str) -> Reply:
    return Reply({"user": view(call, allowed(call, user_id, "identity:get_user"))})


def _given(call: Call[Identity], body: type[Struct]) -> tuple[dict[str, Any], dict[str, Any]]:
    values, extra = rendering.given(call, "user", body)
    values.pop("password_expires_at", None)
    if "description" in values:
        extra["description"] = values.pop("description")
    if values.get("federated"):
        raise BadRequest(f"Could not find Identity Provider: {values['federated'][0]['idp_id']}")
    values.pop("federated", None)
    return values, extra


def create(call: Call[Identity]) -> Reply:
    values, extra = _given(call, NewUserBody)
    values.pop("id", None)
    call.service.policy.can(call.ctx, "identity:create_user", {"target": {"user": {**values, "password": None}}})
    values.setdefault("domain_id", call.ctx.domain_id or call.service.conf.identity.default_domain_id)
    return Reply({"user": view(call, users.create(call.service, values, extra))}, 201)


def update(call: Call[Identity], user_id: str) -> Reply:
    allowed(call, user_id, "identity:update_user")
    values, extra = _given(call, UserChangesBody)
    views.check_changes(values, extra, user_id)
    user = users.update(call.service, user_id, values, extra)
    return Reply({"user": {"extra": user.extra, **view(call, user)}})


def delete(call: Call[Identity], user_id: str) -> Reply:
    allowed(call, user_id, "identity:delete_user")
    users.delete(call.service, user_id)
    return NO_CONTENT


def change_password(call: Call[Identity], user_id: str) -> Reply:
    """Needs no token: the password is proof enough, and an expired one gives no token."""
    change = call.json(PasswordChangeBody).user
    users.change_password(call.service, user_id, change.original_password, change.password)
    return NO_CONTENT
