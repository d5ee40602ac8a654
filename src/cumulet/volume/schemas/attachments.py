"""Bodies of `/attachments` (Block Storage API, Attachments)."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from cumulet.volume.bodies import Uuid


class NewAttachment(Struct, forbid_unknown_fields=True):
    volume_uuid: Uuid
    instance_uuid: Uuid | None = None
    connector: dict[str, Any] | None = None


class NewAttachmentWithMode(NewAttachment, forbid_unknown_fields=True):
    """From 3.54 on."""

    mode: Literal["rw", "ro"] | None = None


class ChangedAttachment(Struct, forbid_unknown_fields=True):
    connector: dict[str, Any]
