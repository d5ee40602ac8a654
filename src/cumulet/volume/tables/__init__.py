"""Volume's tables, one module a noun."""

from __future__ import annotations

from cumulet.volume.tables.attachments import attachments
from cumulet.volume.tables.backups import backups
from cumulet.volume.tables.base import jobs, metadata
from cumulet.volume.tables.groups import group_snapshots, group_types, groups
from cumulet.volume.tables.image_cache import image_cache
from cumulet.volume.tables.keys import encryption_keys
from cumulet.volume.tables.messages import messages
from cumulet.volume.tables.qos_specs import qos_specs
from cumulet.volume.tables.quotas import quota_classes, quota_locks, quotas
from cumulet.volume.tables.services import pools, volume_services
from cumulet.volume.tables.snapshots import snapshot_metadata, snapshots
from cumulet.volume.tables.transfers import transfers
from cumulet.volume.tables.types import default_types, volume_type_projects, volume_types
from cumulet.volume.tables.volumes import volume_metadata, volumes

__all__ = [
    "attachments",
    "backups",
    "default_types",
    "encryption_keys",
    "group_snapshots",
    "group_types",
    "groups",
    "image_cache",
    "jobs",
    "messages",
    "metadata",
    "pools",
    "qos_specs",
    "quota_classes",
    "quota_locks",
    "quotas",
    "snapshot_metadata",
    "snapshots",
    "transfers",
    "volume_metadata",
    "volume_services",
    "volume_type_projects",
    "volume_types",
    "volumes",
]
