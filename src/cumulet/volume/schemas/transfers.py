"""Bodies of `/volume-transfers` (Block Storage API, Volume transfers)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from cumulet.volume.bodies import Boolean, Uuid


class NewTransfer(Struct, forbid_unknown_fields=True):
    volume_id: Uuid
    name: Annotated[str, Meta(max_length=255)] | None = None


class NewTransferWithSnapshots(NewTransfer, forbid_unknown_fields=True):
    no_snapshots: Boolean = None


class Accept(Struct, forbid_unknown_fields=True):
    auth_key: str | int
