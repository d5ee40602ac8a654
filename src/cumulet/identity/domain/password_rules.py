"""What `[security_compliance]` asks of passwords: strength, age, history, expiry (Keystone's administrator guide)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import sqlalchemy as sa
from oslo_config import cfg
from sqlalchemy.engine import Connection

from cumulet.identity.domain.passwords import matches
from cumulet.identity.tables import password_history
from cumulet.kernel.errors import BadRequest

if TYPE_CHECKING:
    from cumulet.identity.domain.users import User

SECOND = 1_000_000  # µs
DAY = 86_400 * SECOND


@lru_cache(maxsize=8)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def check_strength(conf: cfg.ConfigOpts, password: str) -> None:
    """Raise BadRequest for a password too long or not as the operator's regular expression wants it."""
    limit = conf.identity.max_password_length
    if len(password) > limit:
        raise BadRequest(f"Invalid input for field 'password': it is longer than {limit} characters.")
    rules = conf.security_compliance
    if rules.password_regex and _compiled(rules.password_regex).match(password) is None:
        wanted = rules.password_regex_description or "the operator's password_regex"
        raise BadRequest(f"The password does not match the requirements: {wanted}.")


def set_password(conf: cfg.ConfigOpts, user: User, hashed: str | None, now: int, *, self_service: bool) -> None:
    """Put a hash, or None for no password, into the user with its dates. `now` in µs."""
    user.password_hash = hashed
    user.password_created_at = now if hashed is not None else None
    user.password_self_service = self_service
    user.password_expires_at = _expiry(conf, user, now, self_service) if hashed is not None else None


def _expiry(conf: cfg.ConfigOpts, user: User, now: int, self_service: bool) -> int | None:
    rules = conf.security_compliance
    if (
        rules.change_password_upon_first_use
        and not self_service
        and not user.options.get("ignore_change_password_upon_first_use")
    ):
        return now
    days: int | None = rules.password_expires_days
    return now // SECOND * SECOND + days * DAY if days else None


def check_change(conf: cfg.ConfigOpts, user: User, now: int) -> None:
    """Raise BadRequest when the user must not change the password at `now` (µs)."""
    if user.options.get("lock_password"):
        raise BadRequest(
            "You cannot change your password at this time due to password policy disallowing password changes. Please "
            "contact your administrator to reset your password."
        )
    days = conf.security_compliance.minimum_password_age
    if not days or not user.password_self_service or user.password_created_at is None:
        return
    left = user.password_created_at + days * DAY - now
    if left > 0:
        raise BadRequest(
            "You cannot change your password at this time due to the minimum password age. Once you change your "
            f"password, it must be used for {days} day(s) before it can be changed. Please try again in {left // DAY} "
            "day(s) or contact your administrator to reset your password."
        )


_HISTORY = (
    sa.select(password_history.c.id, password_history.c.password_hash)
    .where(password_history.c.user_id == sa.bindparam("user_id"))
    .order_by(password_history.c.id.desc())
)


def former_hashes(conf: cfg.ConfigOpts, connection: Connection, user: User) -> list[str]:
    """The hashes, newest first, of the passwords that a new one must differ from: the present one and those before."""
    count = conf.security_compliance.unique_last_password_count
    if not count:
        return []
    rows = connection.execute(_HISTORY.limit(count), {"user_id": user.id})
    hashes = [user.password_hash, *(row.password_hash for row in rows)]
    return [hashed for hashed in hashes[:count] if hashed]


def check_unused(conf: cfg.ConfigOpts, former: list[str], password: str) -> None:
    """Raise BadRequest for a password used before. Takes as long as a verification for each of `former`."""
    if any(matches(hashed, password) for hashed in former):
        count = conf.security_compliance.unique_last_password_count
        raise BadRequest(
            "The new password cannot be identical to a previous password. The total number which includes the new "
            f"password must be unique is {count}."
        )


def remember(conf: cfg.ConfigOpts, connection: Connection, user: User) -> None:
    """Keep the password that is about to be replaced, and no more than the rules ask for."""
    keep = conf.security_compliance.unique_last_password_count - 1
    if user.password_hash is not None and keep > 0:
        connection.execute(
            sa.insert(password_history).values(
                user_id=user.id, password_hash=user.password_hash, created_at=user.password_created_at or 0
            )
        )
    old = [row.id for row in connection.execute(_HISTORY, {"user_id": user.id})][max(keep, 0) :]
    if old:
        connection.execute(sa.delete(password_history).where(password_history.c.id.in_(old)))
