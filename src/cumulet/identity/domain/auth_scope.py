"""The scope a client asks for, found: a project, a domain, the system, a trust, or nothing.

What does not exist, is disabled or has no role for the user is all answered alike.
"""

from __future__ import annotations

from cumulet.identity.domain import trusts
from cumulet.identity.domain.login_request import DomainRef, ProjectRef, ScopeWanted
from cumulet.identity.domain.token_parts import Domain, Reader
from cumulet.identity.domain.tokens import Scope
from cumulet.identity.errors import expected, unauthorized
from cumulet.kernel.errors import NotFound


def choose(reader: Reader, user_id: str, wanted: ScopeWanted | None) -> Scope:
    """The scope for this user. Raises Unauthorized for one there is not."""
    if wanted is None:
        return _default(reader, user_id)
    if wanted.project is not None:
        return Scope(project_id=_project(reader, wanted.project))
    if wanted.domain is not None:
        return Scope(domain_id=domain(reader, wanted.domain).id)
    if wanted.trust_id is not None:
        return _trust(reader, wanted.trust_id)
    return Scope(system=wanted.system)


def domain(reader: Reader, reference: DomainRef) -> Domain:
    """Raises Unauthorized for one that there is not or that is disabled, BadRequest for a reference without either."""
    if reference.name:
        found = reader.domain_called(reference.name)
    elif reference.id:
        found = reader.domain(reference.id)
    else:
        raise expected("id or name", "domain")
    if found is None or not found.enabled:
        raise unauthorized()
    return found


def _project(reader: Reader, reference: ProjectRef) -> str:
    if reference.name and reference.domain is not None:
        found = reader.place_called(domain(reader, reference.domain).id, reference.name)
    else:
        found = reader.place(reference.id or "")
    if found is None or not found.is_open:
        raise unauthorized()
    return found.id


def _trust(reader: Reader, trust_id: str) -> Scope:
    try:
        trust = trusts.usable(reader, trust_id)
    except NotFound:
        raise unauthorized() from None
    return Scope(project_id=trust.project_id, trust_id=trust.id)


def _default(reader: Reader, user_id: str) -> Scope:
    """The user's default project where the user has a role there and it is open; otherwise unscoped."""
    person = reader.person(user_id)
    if person is None or person.default_project_id is None:
        return Scope()
    place = reader.place(person.default_project_id)
    if place is None or not place.is_open or not reader.roles(user_id, project_id=place.id):
        return Scope()
    return Scope(project_id=place.id)
