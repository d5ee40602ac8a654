"""Bodies of `/v2.1/os-services` (Compute API, Compute services)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from cumulet.compute.schemas.names import HostName, Text

Reason = Annotated[Text, Meta(min_length=1, max_length=255)]


class Action(Struct, forbid_unknown_fields=True):
    """Up to 2.52; `forced_down` since 2.11."""

    host: HostName
    binary: Annotated[str, Meta(min_length=1, max_length=255)]
    disabled_reason: Reason | UnsetType = UNSET
    forced_down: bool | UnsetType = UNSET


class Update(Struct, forbid_unknown_fields=True):
    """From 2.53."""

    status: Literal["enabled", "disabled"] | UnsetType = UNSET
    disabled_reason: Reason | UnsetType = UNSET
    forced_down: bool | UnsetType = UNSET
