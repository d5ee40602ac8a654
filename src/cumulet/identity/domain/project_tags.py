"""Tags of projects: short words by which operators find them again."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from cumulet.identity.domain import projects, resource_options
from cumulet.identity.errors import not_found
from cumulet.identity.service import Identity
from cumulet.identity.tables import project_tags
from cumulet.kernel.errors import BadRequest, Forbidden

MAX = 80
"""Tags a project may have."""

_TAG = sa.and_(project_tags.c.project_id == sa.bindparam("project_id"), project_tags.c.name == sa.bindparam("name"))
_FIND = sa.select(project_tags.c.name).where(_TAG)
_DELETE = sa.delete(project_tags).where(_TAG)
_COUNT = sa.select(sa.func.count()).where(project_tags.c.project_id == sa.bindparam("project_id"))
_CLEAR = sa.delete(project_tags).where(project_tags.c.project_id == sa.bindparam("project_id"))


def find(identity: Identity, project_id: str) -> list[str]:
    """Sorted. Raises NotFound for the project."""
    return projects.show(identity, project_id).tags


def check(identity: Identity, project_id: str, name: str) -> None:
    """Raises NotFound for the project or the tag."""
    with identity.db.read() as connection:
        projects.load(connection, project_id)
        if connection.execute(_FIND, {"project_id": project_id, "name": name}).first() is None:
            raise not_found("project tag", name)


def create(identity: Identity, project_id: str, name: str) -> None:
    """Raises NotFound, Forbidden for an immutable project, BadRequest for one tag too many or twice the same."""
    try:
        with identity.db.write() as connection:
            _check_mutable(connection, project_id, "create")
            if int(connection.execute(_COUNT, {"project_id": project_id}).scalar() or 0) >= MAX:
                raise BadRequest(f"Invalid input for field 'tags': a project has at most {MAX} of them.")
            projects.insert_tags(connection, project_id, [name])
    except IntegrityError:
        raise BadRequest(f"Invalid input for field 'tags': the project has the tag '{name}' already.") from None


def replace(identity: Identity, project_id: str, names: list[str]) -> list[str]:
    """The tags there are now, sorted. Raises NotFound, Forbidden if it is immutable, BadRequest for a tag twice."""
    try:
        with identity.db.write() as connection:
            _check_mutable(connection, project_id, "update")
            connection.execute(_CLEAR, {"project_id": project_id})
            projects.insert_tags(connection, project_id, names)
    except IntegrityError:
        raise BadRequest("Invalid input for field 'tags': one stands there twice.") from None
    return sorted(names)


def delete(identity: Identity, project_id: str, name: str) -> None:
    """Raises NotFound for the project or the tag, Forbidden for an immutable project."""
    with identity.db.write() as connection:
        _check_mutable(connection, project_id, "delete")
        if connection.execute(_DELETE, {"project_id": project_id, "name": name}).rowcount == 0:
            raise not_found("project tag", name)


def clear(identity: Identity, project_id: str) -> None:
    """Raises NotFound, Forbidden for an immutable project."""
    replace(identity, project_id, [])


def _check_mutable(connection: Connection, project_id: str, verb: str) -> None:
    """Also keeps others from changing the project's tags until the transaction ends."""
    project = projects.load(connection, project_id, lock=True)
    if project.options.get(resource_options.IMMUTABLE):
        raise Forbidden(
            f'Cannot {verb} project tags for {project_id}, project is immutable. Set "immutable" option to false '
            f"before {verb.removesuffix('e')}ing project tags."
        )
