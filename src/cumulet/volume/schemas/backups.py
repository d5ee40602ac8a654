"""Bodies of `/backups` (Block Storage API, Backups)."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from cumulet.volume.bodies import Boolean, Metadata, Name, Uuid


class NewBackup(Struct, forbid_unknown_fields=True):
    volume_id: Uuid
    container: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    description: Name | None = None
    incremental: Boolean = None
    force: Boolean = None
    name: Name | None = None
    snapshot_id: Uuid | None = None


class NewBackupWithMetadata(NewBackup, forbid_unknown_fields=True):  # 3.43
    metadata: Metadata | None = None


class NewBackupInZone(NewBackupWithMetadata, forbid_unknown_fields=True):  # 3.51
    availability_zone: Name | None = None


class ChangedBackup(Struct, forbid_unknown_fields=True):
    name: Name | UnsetType | None = UNSET
    description: Name | UnsetType | None = UNSET


class ChangedBackupWithMetadata(ChangedBackup, forbid_unknown_fields=True):  # 3.43
    metadata: Metadata | UnsetType = UNSET


class Restore(Struct, forbid_unknown_fields=True):
    name: Name | None = None
    volume_id: Uuid | None = None


class BackupRecord(Struct, forbid_unknown_fields=True):
    backup_service: Annotated[str, Meta(min_length=1, max_length=255)]
    backup_url: Annotated[str, Meta(min_length=1, max_length=1 << 20)]
