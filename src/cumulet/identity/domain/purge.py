"""What goes with a user, group, project or domain: everything in this database that hangs on it.

The number of statements does not depend on how much there is. Tokens end in the same transaction. Rows with a foreign
key on what is deleted (memberships, password history, tags, project endpoints…) go by that key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.domain import generations, revocations
from cumulet.identity.tables import (
    DOMAIN,
    GROUP,
    PROJECT,
    ROOT,
    USER,
    access_rules,
    application_credential_roles,
    application_credentials,
    assignments,
    credentials,
    domain_config,
    groups,
    limits,
    memberships,
    oauth1_access_tokens,
    oauth1_request_tokens,
    projects,
    roles,
    trust_roles,
    trusts,
    users,
)
from cumulet.identity.tables import revocations as revocation_events
from cumulet.kernel import clock

Matches = Callable[[sa.Column[Any]], sa.ColumnElement[bool]]
"""Whether a column holds one of the ids that are purged."""


def _ids_below(*conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """The ids of the trusts that meet any condition, and of those that were made from them."""
    found = sa.select(trusts.c.id).where(sa.or_(*conditions)).cte("found", recursive=True)
    found = found.union(sa.select(trusts.c.id).join(found, trusts.c.redelegated_trust_id == found.c.id))
    return sa.select(found.c.id)


def _of_users(matches: Matches) -> list[sa.Delete]:
    return [
        sa.delete(assignments).where(assignments.c.actor_type == USER, matches(assignments.c.actor_id)),
        sa.delete(application_credentials).where(matches(application_credentials.c.user_id)),
        sa.delete(access_rules).where(matches(access_rules.c.user_id)),
        sa.delete(credentials).where(matches(credentials.c.user_id)),
        sa.delete(oauth1_access_tokens).where(matches(oauth1_access_tokens.c.authorizing_user_id)),
        sa.delete(oauth1_request_tokens).where(matches(oauth1_request_tokens.c.authorizing_user_id)),
    ]


def _of_projects(matches: Matches) -> list[sa.Delete | sa.Update]:
    return [
        sa.delete(assignments).where(assignments.c.target_type == PROJECT, matches(assignments.c.target_id)),
        sa.delete(application_credentials).where(matches(application_credentials.c.project_id)),
        sa.delete(credentials).where(matches(credentials.c.project_id)),
        sa.delete(limits).where(matches(limits.c.project_id)),
        sa.delete(oauth1_access_tokens).where(matches(oauth1_access_tokens.c.project_id)),
        sa.delete(oauth1_request_tokens).where(matches(oauth1_request_tokens.c.requested_project_id)),
        sa.update(users).where(matches(users.c.default_project_id)).values(default_project_id=None),
    ]


def _one(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    return column == sa.bindparam("gone")


def _within(table: sa.Table) -> Matches:
    """Ids of rows of `table` in the domain."""
    return lambda column: column.in_(sa.select(table.c.id).where(table.c.domain_id == sa.bindparam("gone")))


_USER = [*_of_users(_one), sa.delete(users).where(_one(users.c.id))]
_USER_TRUSTS = _ids_below(_one(trusts.c.trustor_user_id), _one(trusts.c.trustee_user_id))
_PROJECT = [*_of_projects(_one), sa.delete(projects).where(_one(projects.c.id))]
_PROJECT_TRUSTS = _ids_below(_one(trusts.c.project_id))
_GROUP_ASSIGNMENTS = sa.delete(assignments).where(assignments.c.actor_type == GROUP, _one(assignments.c.actor_id))
_GROUP = sa.delete(groups).where(_one(groups.c.id))
_MEMBERS = sa.select(memberships.c.user_id, sa.bindparam("at"), sa.bindparam("at")).where(_one(memberships.c.group_id))
_END_MEMBERS = sa.insert(revocation_events).from_select(["user_id", "issued_before", "revoked_at"], _MEMBERS)
_DOMAIN_TRUSTS = _ids_below(
    _within(users)(trusts.c.trustor_user_id),
    _within(users)(trusts.c.trustee_user_id),
    _within(projects)(trusts.c.project_id),
)
_OF_ROLES: list[sa.Delete] = [
    sa.delete(application_credentials).where(
        application_credentials.c.id.in_(
            sa.select(application_credential_roles.c.application_credential_id).where(
                _within(roles)(application_credential_roles.c.role_id)
            )
        )
    ),
    sa.delete(trust_roles).where(_within(roles)(trust_roles.c.role_id)),
    sa.delete(roles).where(_one(roles.c.domain_id)),
]
_DOMAIN = [
    *_of_users(_within(users)),
    *_of_projects(_within(projects)),
    sa.delete(assignments).where(assignments.c.actor_type == GROUP, _within(groups)(assignments.c.actor_id)),
    # A domain is a project too, and may have been named as one in a grant.
    sa.delete(assignments).where(assignments.c.target_type.in_((DOMAIN, PROJECT)), _one(assignments.c.target_id)),
    sa.delete(limits).where(_one(limits.c.domain_id)),
    sa.delete(domain_config).where(_one(domain_config.c.domain_id)),
    *_OF_ROLES,
    sa.delete(users).where(_one(users.c.domain_id)),
    sa.delete(groups).where(_one(groups.c.domain_id)),
    sa.delete(projects).where(_one(projects.c.domain_id)),
    sa.delete(projects).where(_one(projects.c.id), projects.c.domain_id == ROOT),
]
_TRUSTS = sa.delete(trusts).where(trusts.c.id.in_(sa.bindparam("ids", expanding=True)))


def _run(connection: Connection, statements: list[Any], trusts_of: sa.Select[Any], thing_id: str) -> None:
    # MariaDB does not delete from a table that the condition reads, so the trusts are looked up first.
    found = [trust_id for (trust_id,) in connection.execute(trusts_of, {"gone": thing_id})]
    if found:
        connection.execute(_TRUSTS, {"ids": found})
    for statement in statements:
        connection.execute(statement, {"gone": thing_id})


def user(connection: Connection, user_id: str) -> None:
    revocations.revoke(connection, user_id=user_id)
    _run(connection, _USER, _USER_TRUSTS, user_id)


def group(connection: Connection, group_id: str) -> None:
    """The members' tokens end if the group gave them roles."""
    generations.bump(connection)
    if connection.execute(_GROUP_ASSIGNMENTS, {"gone": group_id}).rowcount:
        connection.execute(_END_MEMBERS, {"gone": group_id, "at": clock.now()})
    connection.execute(_GROUP, {"gone": group_id})


def project(connection: Connection, project_id: str) -> None:
    """One without projects below it."""
    revocations.revoke(connection, project_id=project_id)
    _run(connection, _PROJECT, _PROJECT_TRUSTS, project_id)


def domain(connection: Connection, domain_id: str) -> None:
    """With its users, groups, projects and roles."""
    revocations.revoke(connection, domain_id=domain_id)
    _run(connection, _DOMAIN, _DOMAIN_TRUSTS, domain_id)
