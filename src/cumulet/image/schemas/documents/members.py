"""`/v2/schemas/member` and `/v2/schemas/members`."""

from __future__ import annotations

from oslo_config import cfg

from cumulet.image.schemas.documents import READ_ONLY_TEXT, UUID_PATTERN, Document, collection, text


def member(conf: cfg.ConfigOpts) -> Document:
    properties = {
        "member_id": text("The project that the image is shared with"),
        "image_id": text("The id of the image", pattern=UUID_PATTERN),
        "created_at": text("When the image was shared"),
        "updated_at": text("When the member last answered"),
        "status": text("What the member says to it", enum=["pending", "accepted", "rejected"]),
        "schema": READ_ONLY_TEXT,
    }
    return {"name": "member", "properties": properties}


def members(conf: cfg.ConfigOpts) -> Document:
    return collection("members", member(conf), paged=False)
