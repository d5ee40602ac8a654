"""Bodies and queries of `/resource_providers`."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from cumulet.kernel.microversions import Version
from cumulet.placement.schemas.base import Uuid

Name = Annotated[str, Meta(max_length=200)]


class Create(Struct, forbid_unknown_fields=True):
    name: Name
    uuid: Uuid | UnsetType = UNSET


class CreateNested(Create, forbid_unknown_fields=True):
    """Since 1.14."""

    parent_provider_uuid: Uuid | None = None


class Update(Struct, forbid_unknown_fields=True):
    name: Name


class UpdateNested(Update, forbid_unknown_fields=True):
    """Since 1.14. Not named, the parent stays as it is."""

    parent_provider_uuid: Uuid | UnsetType | None = UNSET


_QUERY_KEYS = (
    ("name", (1, 0)),
    ("uuid", (1, 0)),
    ("member_of", (1, 3)),
    ("resources", (1, 4)),
    ("in_tree", (1, 14)),
    ("required", (1, 18)),
)


def query_keys(version: Version) -> frozenset[str]:
    return frozenset(key for key, since in _QUERY_KEYS if version >= since)
