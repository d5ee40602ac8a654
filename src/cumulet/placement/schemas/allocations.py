"""Bodies of `/allocations`: one Struct for each form that the microversions gave them."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from cumulet.kernel.microversions import Version
from cumulet.placement.schemas.base import ClassName, ExternalId, Uuid, UuidKey

Resources = Annotated[dict[ClassName, Annotated[int, Meta(ge=1)]], Meta(min_length=1)]
ConsumerType = Annotated[str, Meta(pattern="^[A-Z0-9_]+$", min_length=1, max_length=255)]
Mappings = Annotated[dict[str, Annotated[list[Uuid], Meta(min_length=1)]], Meta(min_length=1)]


class ProviderReference(Struct, forbid_unknown_fields=True):
    uuid: Uuid


class ListedAllocation(Struct, forbid_unknown_fields=True):
    resource_provider: ProviderReference
    resources: Resources


class Listed(Struct, forbid_unknown_fields=True):
    """1.0 to 1.7."""

    allocations: Annotated[list[ListedAllocation], Meta(min_length=1)]


class ListedWithOwner(Listed, forbid_unknown_fields=True):
    """1.8 to 1.11."""

    project_id: ExternalId
    user_id: ExternalId


class Allocation(Struct, forbid_unknown_fields=True):
    """`generation` is what an answer of ours has; it may be sent back and means nothing."""

    resources: Resources
    generation: int | UnsetType = UNSET


class Owned(Struct, forbid_unknown_fields=True, kw_only=True):
    """One consumer's allocations since 1.12; none of them takes all away."""

    allocations: dict[UuidKey, Allocation]
    project_id: ExternalId
    user_id: ExternalId


class OwnedNotEmpty(Owned, forbid_unknown_fields=True, kw_only=True):
    """`PUT` from 1.12 to 1.27, which cannot take all away."""

    allocations: Annotated[dict[UuidKey, Allocation], Meta(min_length=1)]


class WithGeneration(Owned, forbid_unknown_fields=True, kw_only=True):
    """1.28 to 1.33."""

    consumer_generation: int | None


class WithMappings(WithGeneration, forbid_unknown_fields=True, kw_only=True):
    """1.34 to 1.37. `mappings` may be sent back from a candidate and is not kept."""

    mappings: Mappings | UnsetType = UNSET


class WithType(WithMappings, forbid_unknown_fields=True, kw_only=True):
    """Since 1.38."""

    consumer_type: ConsumerType


def of_consumer(version: Version) -> type[Listed] | type[Owned]:
    """The body of `PUT /allocations/{consumer_uuid}`."""
    if version < (1, 8):
        return Listed
    if version < (1, 12):
        return ListedWithOwner
    if version < (1, 28):
        return OwnedNotEmpty
    return of_many(version)


def of_many(version: Version) -> type[Owned]:
    """What stands for each consumer in `POST /allocations` and `POST /reshaper`."""
    if version < (1, 28):
        return Owned
    if version < (1, 34):
        return WithGeneration
    return WithMappings if version < (1, 38) else WithType
