"""Which endpoints a project gets in its catalog: one by one, and by groups."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from cumulet.identity.domain import endpoint_groups, endpoints, generations, projects
from cumulet.identity.service import Identity
from cumulet.identity.tables import endpoint_groups as groups_table
from cumulet.identity.tables import endpoints as endpoints_table
from cumulet.identity.tables import project_endpoint_groups, project_endpoints
from cumulet.identity.tables import projects as projects_table
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import Conflict, NotFound


def _load_project(connection: Connection, project_id: str) -> None:
    projects.load(connection, project_id)


def endpoints_of(identity: Identity, project_id: str) -> list[Any]:
    """The rows of a project's own endpoints and of those of its groups, sorted by id. Raises NotFound."""
    own = sa.select(project_endpoints.c.endpoint_id).where(project_endpoints.c.project_id == project_id)
    with identity.db.read() as connection:
        _load_project(connection, project_id)
        groups = [endpoint_groups.group_of(row) for row in connection.execute(_groups_of(project_id))]
        query = sa.select(endpoints_table).where(
            sa.or_(endpoints_table.c.id.in_(own), endpoint_groups.matching(groups))
        )
        return list(connection.execute(query.order_by(endpoints_table.c.id)))


def groups_of(identity: Identity, project_id: str) -> list[endpoint_groups.EndpointGroup]:
    """Sorted by id. Raises NotFound."""
    with identity.db.read() as connection:
        _load_project(connection, project_id)
        return [endpoint_groups.group_of(row) for row in connection.execute(_groups_of(project_id))]


def _groups_of(project_id: str) -> sa.Select[Any]:
    given = sa.select(project_endpoint_groups.c.endpoint_group_id).where(
        project_endpoint_groups.c.project_id == project_id
    )
    return sa.select(groups_table).where(groups_table.c.id.in_(given)).order_by(groups_table.c.id)


def projects_with_endpoint(identity: Identity, endpoint_id: str) -> tuple[list[Any], dict[str, list[str]]]:
    """Rows of `projects.COLUMNS` sorted by id, and their tags. Raises NotFound."""
    given = sa.select(project_endpoints.c.project_id).where(project_endpoints.c.endpoint_id == endpoint_id)
    with identity.db.read() as connection:
        endpoints.load(connection, endpoint_id)
        return _projects(connection, given)


def projects_with_group(identity: Identity, group_id: str) -> tuple[list[Any], dict[str, list[str]]]:
    """Rows of `projects.COLUMNS` sorted by id, and their tags. Raises NotFound."""
    given = sa.select(project_endpoint_groups.c.project_id).where(
        project_endpoint_groups.c.endpoint_group_id == group_id
    )
    with identity.db.read() as connection:
        endpoint_groups.load(connection, group_id)
        return _projects(connection, given)


def _projects(connection: Connection, ids: sa.Select[Any]) -> tuple[list[Any], dict[str, list[str]]]:
    query = sa.select(*projects.COLUMNS).where(projects_table.c.id.in_(ids)).order_by(projects_table.c.id)
    rows = list(connection.execute(query))
    return rows, projects.tags_of(connection, [row.id for row in rows])


def check(identity: Identity, project_id: str, endpoint_id: str) -> None:
    """Raises NotFound for what there is not, and when the project was not given the endpoint."""
    with identity.db.read() as connection:
        _load_project(connection, project_id)
        endpoints.load(connection, endpoint_id)
        query = sa.select(project_endpoints).where(_pair(project_endpoints, project_id, endpoint_id))
        if connection.execute(query).first() is None:
            raise _not_given(project_id, endpoint_id)


def add(identity: Identity, project_id: str, endpoint_id: str) -> None:
    """Raises NotFound, or Conflict when the project has it already."""
    try:
        with identity.db.write() as connection:
            endpoints.load(connection, endpoint_id, lock=True)
            _load_project(connection, project_id)
            connection.execute(sa.insert(project_endpoints).values(project_id=project_id, endpoint_id=endpoint_id))
            generations.bump(connection)
    except IntegrityError as error:
        raise _refused(error, "project_endpoint") from None


def remove(identity: Identity, project_id: str, endpoint_id: str) -> None:
    """Raises NotFound when the project was not given the endpoint."""
    with identity.db.write() as connection:
        gone = sa.delete(project_endpoints).where(_pair(project_endpoints, project_id, endpoint_id))
        if not connection.execute(gone).rowcount:
            raise _not_given(project_id, endpoint_id)
        generations.bump(connection)


def check_group(identity: Identity, project_id: str, group_id: str) -> None:
    """Raises NotFound for what there is not, and when the project was not given the group."""
    with identity.db.read() as connection:
        _check_group(connection, project_id, group_id)


def _check_group(connection: Connection, project_id: str, group_id: str) -> None:
    _load_project(connection, project_id)
    endpoint_groups.load(connection, group_id)
    query = sa.select(project_endpoint_groups).where(_pair(project_endpoint_groups, project_id, group_id))
    if connection.execute(query).first() is None:
        raise NotFound("Endpoint Group Project Association not found")


def add_group(identity: Identity, project_id: str, group_id: str) -> None:
    """Raises NotFound, or Conflict when the project has it already."""
    try:
        with identity.db.write() as connection:
            _load_project(connection, project_id)
            endpoint_groups.load(connection, group_id, lock=True)
            row = {"project_id": project_id, "endpoint_group_id": group_id}
            connection.execute(sa.insert(project_endpoint_groups).values(**row))
            generations.bump(connection)
    except IntegrityError as error:
        raise _refused(error, "project_endpoint_group") from None


def remove_group(identity: Identity, project_id: str, group_id: str) -> None:
    """Raises NotFound for what there is not, and when the project was not given the group."""
    with identity.db.write() as connection:
        _check_group(connection, project_id, group_id)
        connection.execute(
            sa.delete(project_endpoint_groups).where(_pair(project_endpoint_groups, project_id, group_id))
        )
        generations.bump(connection)


def _pair(table: sa.Table, project_id: str, other_id: str) -> sa.ColumnElement[bool]:
    project, other = table.primary_key.columns
    return sa.and_(project == project_id, other == other_id)


def _not_given(project_id: str, endpoint_id: str) -> NotFound:
    return NotFound(f"Endpoint {endpoint_id} not found in project {project_id}")


def _refused(error: IntegrityError, kind: str) -> Exception:
    """A pair that is there already, or a project or endpoint that has just gone."""
    if violates_unique(error):
        return Conflict(f"Conflict occurred attempting to store {kind} - Duplicate entry.")
    return NotFound("The project or the endpoint has just been deleted.")
