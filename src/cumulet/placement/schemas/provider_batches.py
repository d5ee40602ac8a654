"""The body of `POST /resource_provider_batches`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from cumulet.placement.schemas.base import ClassName, UuidKey
from cumulet.placement.schemas.inventories import Record

MOST = 1000


class NewProvider(Struct, forbid_unknown_fields=True):
    uuid: UuidKey
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    inventories: dict[ClassName, Record] = {}
    traits: list[Annotated[str, Meta(min_length=1, max_length=255)]] = []


class Batch(Struct, forbid_unknown_fields=True):
    resource_providers: Annotated[list[NewProvider], Meta(min_length=1, max_length=MOST)]
