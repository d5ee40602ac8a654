"""Bodies of volume actions (Block Storage API, Volume actions)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from cumulet.volume.bodies import Boolean, Name, NonEmpty, Size, Uuid


class Attach(Struct, forbid_unknown_fields=True):
    mountpoint: NonEmpty
    instance_uuid: Uuid | None = None
    host_name: NonEmpty | None = None
    mode: Literal["rw", "ro"] = "rw"


class Detach(Struct):
    attachment_id: Uuid | None = None


class ForceDetach(Struct, forbid_unknown_fields=True):
    attachment_id: Uuid | None = None
    connector: dict[str, Any] | None = None


class WithConnector(Struct):
    connector: dict[str, Any]


class Extend(Struct, forbid_unknown_fields=True):
    new_size: Size


class ExtendCompletion(Struct, forbid_unknown_fields=True):
    error: Boolean = None


class Retype(Struct, forbid_unknown_fields=True):
    new_type: NonEmpty
    migration_policy: Literal["on-demand", "never"] | None = None


class Migrate(Struct, forbid_unknown_fields=True):
    host: NonEmpty | None = None
    cluster: NonEmpty | None = None
    force_host_copy: Boolean = None
    lock_volume: Boolean = None


class MigrateCompletion(Struct, forbid_unknown_fields=True):
    new_volume: Uuid
    error: Boolean = None


class Upload(Struct):
    image_name: NonEmpty
    force: Boolean = None
    disk_format: Literal["raw", "vmdk", "vdi", "qcow2", "vhd", "vhdx", "ploop"] = "raw"
    container_format: Literal["bare", "ovf", "ova", "aki", "ari", "ami", "docker", "compressed"] = "bare"
    visibility: Literal["community", "public", "private", "shared"] = "private"
    protected: Boolean = None


class ImageMetadata(Struct, forbid_unknown_fields=True):
    metadata: dict[NonEmpty, Annotated[str, Meta(max_length=255)]]


class MetadataKey(Struct, forbid_unknown_fields=True):
    key: NonEmpty


class ResetStatus(Struct, forbid_unknown_fields=True):
    status: Name | None = None
    attach_status: Name | None = None
    migration_status: Name | None = None


class Revert(Struct):
    snapshot_id: Uuid


class Reimage(Struct, forbid_unknown_fields=True):
    image_id: Uuid
    reimage_reserved: Boolean = None
