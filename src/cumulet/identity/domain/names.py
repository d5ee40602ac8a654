"""Names for ids, as lists with `include_names` show them; one query a kind whatever the number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.tables import groups, projects, roles, users

_AT_ONCE = 5000  # ids in one query; databases take some ten thousand
Named = dict[str, tuple[str, str | None]]
"""id -> (name, domain id or None)"""


def of(connection: Connection, table: sa.Table, ids: Iterable[str]) -> Named:
    found: Named = {}
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), _AT_ONCE):
        query = sa.select(table.c.id, table.c.name, table.c.domain_id)
        rows: Any = connection.execute(query.where(table.c.id.in_(wanted[start : start + _AT_ONCE])))
        found.update({row.id: (row.name, row.domain_id or None) for row in rows})
    return found


class Names:
    """The names of users, groups, projects, domains and roles, and of the domains these are in."""

    def __init__(
        self,
        connection: Connection,
        *,
        user_ids: Iterable[str] = (),
        group_ids: Iterable[str] = (),
        project_ids: Iterable[str] = (),
        role_ids: Iterable[str] = (),
    ) -> None:
        """`project_ids` may be domains' ids too: a domain is a project of its own."""
        self._users = of(connection, users, user_ids)
        self._groups = of(connection, groups, group_ids)
        self._projects = of(connection, projects, project_ids)
        self._roles = of(connection, roles, role_ids)
        known = (self._users, self._groups, self._projects, self._roles)
        domains = {domain for named in known for _, domain in named.values() if domain} - self._projects.keys()
        self._projects.update(of(connection, projects, domains))

    def user(self, user_id: str) -> dict[str, Any]:
        return self._named(self._users, user_id)

    def group(self, group_id: str) -> dict[str, Any]:
        return self._named(self._groups, group_id)

    def project(self, project_id: str) -> dict[str, Any]:
        return self._named(self._projects, project_id)

    def domain(self, domain_id: str) -> dict[str, Any]:
        return {"id": domain_id, "name": self._projects.get(domain_id, ("", None))[0]}

    def role(self, role_id: str) -> dict[str, Any]:
        """Only a domain's own role says which domain it is of."""
        return self._named(self._roles, role_id)

    def _named(self, named: Named, thing_id: str) -> dict[str, Any]:
        name, domain_id = named.get(thing_id, ("", None))
        thing: dict[str, Any] = {"id": thing_id, "name": name}
        if domain_id is not None:
            thing["domain"] = self.domain(domain_id)
        return thing
