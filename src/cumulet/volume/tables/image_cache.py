"""The image-volume cache: on each back end volumes that hold an image's bytes, to clone new volumes from."""

from __future__ import annotations

import sqlalchemy as sa

from cumulet.kernel.columns import cascade, count, identifier, key, moment, name
from cumulet.volume.tables.base import table

image_cache = table(
    "image_cache",
    name("backend"),  # HOST@BACKEND
    identifier("image_id"),
    key("volume_id"),
    sa.Column("image_updated_at", sa.String(64), nullable=False),  # as Image says it: another image since, another text
    identifier("job_id"),  # which fills it
    count("size"),
    moment("last_used_at", False),
    cascade("volume_id", "volumes.id"),
    sa.UniqueConstraint("backend", "image_id", name="uq_image_cache"),
)
