"""Roles as bodies of trusts and application credentials name them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from cumulet.identity.schemas.trusts import RoleReference
from cumulet.kernel.errors import BadRequest


def pairs(references: Sequence[RoleReference]) -> list[tuple[str | None, str | None]]:
    """(id, name) of each, one of them None. Raises BadRequest for both or neither."""
    found: list[tuple[str | None, str | None]] = []
    for reference in references:
        if (reference.id is UNSET) == (reference.name is UNSET):
            raise BadRequest("Invalid input for field 'roles': each role has either an 'id' or a 'name'.")
        found.append(
            (None if reference.id is UNSET else reference.id, None if reference.name is UNSET else reference.name)
        )
    return found
