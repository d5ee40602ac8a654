"""Users: who can log in, each in one domain."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from cumulet.identity.domain import generations, password_rules, purge, resource_options, revocations, user_security
from cumulet.identity.domain.listing import Listing, Page, Window, text_filters
from cumulet.identity.errors import not_found
from cumulet.identity.service import Identity
from cumulet.identity.tables import memberships, projects, users
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import BadRequest, Conflict
from cumulet.kernel.ids import hex_id


class User(msgspec.Struct):
    """A row of users. Times are microseconds since 1970 UTC; `enabled` is what an administrator has set.

    Whether the account can be used now is a question for `user_security`.
    """

    id: str
    domain_id: str
    name: str
    enabled: bool
    default_project_id: str | None
    options: dict[str, Any]
    extra: dict[str, Any]
    password_hash: str | None = None
    password_created_at: int | None = None
    password_expires_at: int | None = None
    password_self_service: bool = False
    failed_auth_count: int = 0
    failed_auth_at: int | None = None
    created_at: int | None = None
    last_active_on: str | None = None


_COLUMNS = [users.c[name] for name in User.__struct_fields__]
_BY_ID = sa.select(*_COLUMNS).where(users.c.id == sa.bindparam("user_id"))
_BY_NAME = sa.select(*_COLUMNS).where(
    users.c.domain_id == sa.bindparam("domain_id"), users.c.name == sa.bindparam("name")
)
_DOMAIN = sa.select(projects.c.is_domain).where(projects.c.id == sa.bindparam("project_id"))
_ENABLED = sa.select(projects.c.enabled).where(projects.c.id == sa.bindparam("project_id"))
_DOMAIN_HELD = _DOMAIN.where(projects.c.is_domain.is_(True)).with_for_update(read=True)

LISTED = (
    users.c.id,
    users.c.domain_id,
    users.c.name,
    users.c.enabled,
    users.c.default_project_id,
    users.c.options,
    users.c.extra,
    users.c.password_expires_at,
    users.c.last_active_on,
)
_EXPIRY = {
    f"password_expires_at__{name}": getattr(users.c.password_expires_at, operation)(
        sa.bindparam(f"password_expires_at__{name}", type_=sa.BigInteger)
    )
    for name, operation in (
        ("eq", "__eq__"),
        ("neq", "__ne__"),
        ("lt", "__lt__"),
        ("lte", "__le__"),
        ("gt", "__gt__"),
        ("gte", "__ge__"),
    )
}
_FILTERS = {
    "domain_id": users.c.domain_id == sa.bindparam("domain_id"),
    "within": users.c.domain_id == sa.bindparam("within"),
    "enabled": users.c.enabled == sa.bindparam("enabled", type_=sa.Boolean),
    "name": users.c.name == sa.bindparam("name"),
    "in_group": users.c.id.in_(
        sa.select(memberships.c.user_id).where(memberships.c.group_id == sa.bindparam("in_group"))
    ),
    **_EXPIRY,
    **text_filters("name", users.c.name),
}
LISTING = Listing(sa.select(*LISTED), users.c.id, _FILTERS)


def find(identity: Identity, filters: dict[str, Any], window: Window) -> Page:
    """Rows of LISTED that meet the filters, sorted by id. One query.

    Filters by name: `domain_id`, `within` (a domain id too), `enabled`, `name`, `name__contains`…, `in_group`,
    `password_expires_at__lt`… (µs; users whose password never expires meet none).
    Raises NotFound for an unknown marker.
    """
    with identity.db.read() as connection:
        return LISTING.page(connection, filters.keys(), filters, window)


def user_of(row: Any) -> User:
    values = list(row)
    values[5] = {} if values[5] == "{}" else msgspec.json.decode(values[5])
    values[6] = {} if values[6] == "{}" else msgspec.json.decode(values[6])
    return User(*values)


def load(connection: Connection, user_id: str, *, lock: bool = False) -> User:
    """`lock` keeps others from changing the user until the transaction ends. Raises NotFound."""
    query = _BY_ID.with_for_update() if lock else _BY_ID
    row = connection.execute(query, {"user_id": user_id}).first()
    if row is None:
        raise not_found("user", user_id)
    return user_of(row)


def find_by_name(connection: Connection, name: str, domain_id: str) -> User | None:
    row = connection.execute(_BY_NAME, {"name": name, "domain_id": domain_id}).first()
    return None if row is None else user_of(row)


def show(identity: Identity, user_id: str) -> User:
    """Raises NotFound."""
    with identity.db.read() as connection:
        return load(connection, user_id)


def create(identity: Identity, values: dict[str, Any], extra: dict[str, Any]) -> User:
    """`values`: `name`, `domain_id`, and of `password`, `enabled`, `default_project_id`, `options` those given.

    Raises NotFound for the domain, BadRequest for a weak password or a domain as default project, Conflict for a name
    in use.
    """
    password = values.get("password")
    now = identity.now()
    user = User(
        id=hex_id(),
        domain_id=values["domain_id"],
        name=values["name"],
        enabled=values.get("enabled", True),
        default_project_id=values.get("default_project_id"),
        options=resource_options.merged({}, values.get("options") or {}),
        extra=extra,
        created_at=now,
    )
    _mark_active(identity, user)
    if password is not None:
        password_rules.check_strength(identity.conf, password)
        password_rules.set_password(identity.conf, user, identity.passwords.hash(password), now, self_service=False)
    try:
        with identity.db.write() as connection:
            if connection.execute(_DOMAIN_HELD, {"project_id": user.domain_id}).first() is None:
                raise not_found("domain", user.domain_id)
            _check_default_project(connection, user.default_project_id)
            connection.execute(sa.insert(users), _row(user))
            return user
    except IntegrityError as error:
        raise _duplicate(error, user, f" at domain ID {user.domain_id}") from None


def _check_default_project(connection: Connection, project_id: str | None) -> None:
    """A project that does not exist is let pass, as in the original; it is ignored at login."""
    if project_id is not None and connection.execute(_DOMAIN, {"project_id": project_id}).scalar():
        raise BadRequest(f"User's default project ID cannot be a domain ID: {project_id}")


def _row(user: User) -> dict[str, Any]:
    row = msgspec.structs.asdict(user)
    row["options"] = msgspec.json.encode(user.options).decode()
    row["extra"] = msgspec.json.encode(user.extra).decode()
    return row


def _duplicate(error: IntegrityError, user: User, where: str = "") -> Exception:
    if not violates_unique(error):
        return error
    return Conflict(f"Conflict occurred attempting to store user - Duplicate entry found with name {user.name}{where}.")


_UPDATE = sa.update(users).where(users.c.id == sa.bindparam("user_id"))


def update(identity: Identity, user_id: str, values: dict[str, Any], extra: dict[str, Any]) -> User:
    """An administrator's changes. A new password, or `enabled` false, ends the user's tokens.

    Raises NotFound, BadRequest for another domain, a weak password or a domain as default project, Conflict for a name
    in use.
    """
    password, hashed = values.get("password"), None
    if password is not None:
        password_rules.check_strength(identity.conf, password)
        hashed = identity.passwords.hash(password)
    changed: User | None = None
    try:
        with identity.db.write() as connection:
            user = load(connection, user_id, lock=True)
            if "domain_id" in values and values["domain_id"] != user.domain_id:
                raise BadRequest("Cannot change Domain ID")
            changed = _changed(identity, user, values, extra)
            if changed.default_project_id != user.default_project_id:
                _check_default_project(connection, changed.default_project_id)
            if "password" in values:
                password_rules.remember(identity.conf, connection, user)
                password_rules.set_password(identity.conf, changed, hashed, identity.now(), self_service=False)
            connection.execute(_UPDATE, {**_row(changed), "user_id": user_id})
            if "password" in values or (user.enabled and not changed.enabled):
                revocations.revoke(connection, user_id=user_id)
            else:
                generations.bump(connection)
            return changed
    except IntegrityError as error:
        assert changed is not None
        raise _duplicate(error, changed) from None


def _changed(identity: Identity, user: User, values: dict[str, Any], extra: dict[str, Any]) -> User:
    changed = msgspec.structs.replace(
        user,
        **{name: values[name] for name in ("name", "enabled", "default_project_id") if name in values},
        options=resource_options.merged(user.options, values.get("options") or {}),
        extra={**user.extra, **extra},
    )
    if values.get("enabled"):
        # Enabling is how an administrator unlocks an account, whatever had locked it.
        changed.failed_auth_count, changed.failed_auth_at = 0, None
        _mark_active(identity, changed)
    return changed


def _mark_active(identity: Identity, user: User) -> None:
    if identity.conf.security_compliance.disable_user_account_days_inactive:
        user.last_active_on = user_security.day_of(identity.now())


def delete(identity: Identity, user_id: str) -> None:
    """Raises NotFound."""
    with identity.db.write() as connection:
        load(connection, user_id, lock=True)
        purge.user(connection, user_id)


def change_password(identity: Identity, user_id: str, original: str, password: str) -> None:
    """A user's own change, which an expired password allows too; it ends the user's tokens.

    Raises Unauthorized for a wrong password or an account that cannot be used, BadRequest for a new password that the
    rules refuse.
    """
    conf, now = identity.conf, identity.now()
    with identity.db.read() as connection:
        row = connection.execute(_BY_ID, {"user_id": user_id}).first()
        user = None if row is None else user_of(row)
    user_security.check_password(identity, user, original)
    assert user is not None
    with identity.db.read() as connection:
        domain_enabled = connection.execute(_ENABLED, {"project_id": user.domain_id}).scalar()
        former = password_rules.former_hashes(conf, connection, user)
    if not domain_enabled or not user_security.is_enabled(conf, user, now):
        raise user_security.disabled_refusal(user)
    password_rules.check_change(conf, user, now)
    password_rules.check_strength(conf, password)
    password_rules.check_unused(conf, former, password)
    hashed = identity.passwords.hash(password)
    with identity.db.write() as connection:
        current = load(connection, user_id, lock=True)
        if current.password_hash != user.password_hash:
            raise Conflict("The password was changed by another request in the meantime.")
        password_rules.remember(conf, connection, current)
        password_rules.set_password(conf, current, hashed, now, self_service=True)
        connection.execute(_UPDATE, {**_row(current), "user_id": user_id})
        revocations.revoke(connection, user_id=user_id)
