"""Whether an account may log in now: locked, disabled, idle for too long, password expired.

The rules are `[security_compliance]`'s, the exceptions each user's options (Identity API v3, Users: options).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
from oslo_config import cfg
from sqlalchemy.engine import Connection

from cumulet.identity.domain.password_rules import SECOND
from cumulet.identity.errors import unauthorized
from cumulet.identity.tables import users
from cumulet.kernel.errors import Unauthorized

if TYPE_CHECKING:
    from cumulet.identity.domain.users import User
    from cumulet.identity.service import Identity

_BY_ID = users.c.id == sa.bindparam("user_id")
_FAILURE = (
    sa.update(users)
    .where(_BY_ID)
    .values(failed_auth_count=users.c.failed_auth_count + 1, failed_auth_at=sa.bindparam("at"))
)
_SUCCESS = sa.update(users).where(_BY_ID).values(failed_auth_count=0, failed_auth_at=None)
_ACTIVE = sa.update(users).where(_BY_ID).values(last_active_on=sa.bindparam("day"))


def day_of(at: int) -> str:
    """The UTC day of a time in µs, `2026-01-31`."""
    return datetime.fromtimestamp(at // SECOND, UTC).date().isoformat()


def is_locked(conf: cfg.ConfigOpts, user: User, now: int) -> bool:
    """Whether too many wrong passwords were given, and that not long enough ago. `now` in µs.

    Without a lockout_duration only an administrator unlocks, by setting `enabled`.
    """
    rules = conf.security_compliance
    attempts = rules.lockout_failure_attempts
    if not attempts or user.options.get("ignore_lockout_failure_attempts"):
        return False
    if user.failed_auth_count < attempts or user.failed_auth_at is None:
        return False
    seconds = rules.lockout_duration
    return not seconds or now < user.failed_auth_at + seconds * SECOND


def is_expired(user: User, now: int) -> bool:
    """Whether the password is past its date. `now` in µs."""
    expires_at = user.password_expires_at
    return expires_at is not None and now >= expires_at and not user.options.get("ignore_password_expiry")


def idle_before(conf: cfg.ConfigOpts, now: int) -> str | None:
    """Accounts last active before this day count as disabled; None: there is no such rule."""
    days = conf.security_compliance.disable_user_account_days_inactive
    if not days:
        return None
    return (date.fromisoformat(day_of(now)) - timedelta(days=days - 1)).isoformat()


def is_idle(user: User, idle_day: str | None) -> bool:
    """Whether the account has not been used since `idle_day` (see `idle_before`)."""
    if idle_day is None or user.last_active_on is None or user.options.get("ignore_user_inactivity"):
        return False
    return user.last_active_on < idle_day


def is_enabled(conf: cfg.ConfigOpts, user: User, now: int) -> bool:
    """What the API shows as `enabled`: set by an administrator, and not idle for too long."""
    return user.enabled and not is_idle(user, idle_before(conf, now))


def record_failure(connection: Connection, user: User, now: int) -> None:
    """A wrong password was given at `now` (µs)."""
    connection.execute(_FAILURE, {"user_id": user.id, "at": now})


def needs_success(conf: cfg.ConfigOpts, user: User, now: int) -> bool:
    """Whether `record_success` would change anything: a login as usual writes nothing."""
    tracks = bool(conf.security_compliance.disable_user_account_days_inactive)
    return user.failed_auth_count > 0 or (tracks and user.last_active_on != day_of(now))


def record_success(connection: Connection, conf: cfg.ConfigOpts, user: User, now: int) -> None:
    """The right password was given at `now` (µs): failures are forgotten, and the day is kept if it matters."""
    if user.failed_auth_count:
        connection.execute(_SUCCESS, {"user_id": user.id})
    if conf.security_compliance.disable_user_account_days_inactive:
        connection.execute(_ACTIVE, {"user_id": user.id, "day": day_of(now)})


def check_password(identity: Identity, user: User | None, password: str) -> None:
    """Return if this is the user's password. Raises Unauthorized, with the same words and after the same time for an
    unknown user (None), a locked account and a wrong password, which is counted. Call it outside of transactions."""
    stored = None if user is None else user.password_hash
    known = identity.passwords.verify("" if user is None else user.id, stored, password)
    count_attempt(identity, user, known)


def count_attempt(identity: Identity, user: User | None, known: bool) -> None:
    """Count what a user tried to log in with, which was right or wrong. Raises Unauthorized, always in the same words,
    for an unknown user (None), a locked account and a wrong proof. Call it outside of transactions."""
    now = identity.now()
    if user is None or is_locked(identity.conf, user, now):
        raise unauthorized()
    if not known:
        if identity.conf.security_compliance.lockout_failure_attempts:
            with identity.db.write() as connection:
                record_failure(connection, user, now)
        raise unauthorized()
    if needs_success(identity.conf, user, now):
        with identity.db.write() as connection:
            record_success(connection, identity.conf, user, now)


def disabled_refusal(user: User) -> Unauthorized:
    """Said only to who knows the password."""
    return Unauthorized(f"The account is disabled for user: {user.id}.")


def expired_refusal(user: User) -> Unauthorized:
    """Said only to who knows the password."""
    return Unauthorized(f"The password is expired and needs to be changed for user: {user.id}.")
