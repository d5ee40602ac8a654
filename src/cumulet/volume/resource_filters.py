"""Which filters users may give (3.31): the defaults, or the operator's `resource_query_filters_file`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
from oslo_config import cfg

Filters = dict[str, list[str]]

DEFAULTS: Final[Filters] = {
    "volume": [
        "name",
        "status",
        "metadata",
        "bootable",
        "migration_status",
        "availability_zone",
        "group_id",
        "size",
        "created_at",
        "updated_at",
        "consumes_quota",
    ],
    "backup": ["name", "status", "volume_id"],
    "snapshot": [
        "name",
        "status",
        "volume_id",
        "metadata",
        "availability_zone",
        "created_at",
        "updated_at",
        "consumes_quota",
    ],
    "group": [],
    "group_snapshot": ["status", "group_id"],
    "attachment": ["volume_id", "status", "instance_id", "attach_status"],
    "message": ["resource_uuid", "resource_type", "event_id", "request_id", "message_level"],
    "pool": ["name", "volume_type"],
    "volume_type": ["is_public"],
}
"""As cinder's sample of the file has them."""


def load(conf: cfg.ConfigOpts, directory: Path) -> Filters:
    """Raises ValueError for a file that cannot be read: at the start, where the operator sees it."""
    if not conf.resource_query_filters_file:
        return DEFAULTS
    path = Path(conf.resource_query_filters_file)
    path = path if path.is_absolute() else directory / path
    if not path.exists():
        return DEFAULTS
    try:
        return msgspec.json.decode(path.read_bytes(), type=Filters)
    except (OSError, msgspec.MsgspecError) as error:
        raise ValueError(f"resource_query_filters_file {path}: {error}") from error
