"""The query of `/usages`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from cumulet.placement.schemas.base import ExternalId


class Query(Struct, forbid_unknown_fields=True):
    project_id: ExternalId
    user_id: ExternalId | None = None


class QueryByType(Query, forbid_unknown_fields=True):
    """Since 1.38."""

    consumer_type: Annotated[str, Meta(pattern="^([A-Z0-9_]+|all|unknown)$", max_length=255)] | None = None
