"""Bodies of `/v2.1/servers` (Compute API, Servers). `SINCE` and `UNTIL` say which microversions have a field."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from cumulet.compute.schemas.names import Description, ImageRef, Trimmed

Key = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9\-_:. ]{1,255}$")]
Value = Annotated[str, Meta(max_length=255)]
Metadata = dict[Key, Value]
Tag = Annotated[str, Meta(min_length=1, max_length=60, pattern=r"^[^,/]*$")]
DeviceTag = Annotated[str, Meta(min_length=1, max_length=60, pattern=r"^[^,/]*$")]
Tags = Annotated[list[Tag], Meta(max_length=50)]
Uuid = Annotated[
    str, Meta(pattern=r"^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$")
]
Hostname = Annotated[str, Meta(min_length=2, max_length=63, pattern=r"^[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]$")]
Fqdn = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9\-._]*$")]
DiskConfig = Literal["AUTO", "MANUAL"]

Versions = dict[str, tuple[int, int]]


class Network(Struct, forbid_unknown_fields=True):
    uuid: Uuid | None = None
    port: Uuid | None = None
    fixed_ip: str | None = None
    tag: DeviceTag | UnsetType = UNSET


class SecurityGroup(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=255)]


class File(Struct, forbid_unknown_fields=True):
    path: str
    contents: str


Size = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Device = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9._/-]*$")]
Word = Annotated[str, Meta(max_length=255)]
Identifier = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9._-]*$")]


class LegacyDevice(Struct, forbid_unknown_fields=True):
    """One entry of `block_device_mapping`, the first of two syntaxes."""

    virtual_name: Word | None = None
    volume_id: Uuid | None = None
    snapshot_id: Uuid | None = None
    volume_size: Size | None = None
    device_name: Device | None = None
    delete_on_termination: bool = False
    no_device: Any = None
    connection_info: str | None = None


class BlockDevice(Struct, forbid_unknown_fields=True):
    """One entry of `block_device_mapping_v2`. `volume_size` in GB, of a swap disk in MB."""

    source_type: Literal["image", "volume", "snapshot", "blank"] | None = None
    destination_type: Literal["local", "volume"] | None = None
    uuid: Identifier | None = None
    boot_index: int | None = None
    delete_on_termination: bool = False
    device_name: Device | None = None
    device_type: Word | None = None
    disk_bus: Word | None = None
    guest_format: Word | None = None
    volume_size: Size | None = None
    volume_type: Word | None = None
    no_device: Any = None
    tag: DeviceTag | UnsetType = UNSET
    image_id: Uuid | None = None
    volume_id: Uuid | None = None
    snapshot_id: Uuid | None = None
    virtual_name: Word | None = None
    connection_info: str | None = None


class Hints(Struct):
    group: Uuid | None = None
    # Not `Uuid | list[Uuid]`: msgspec 0.22 frees the pattern of such a union twice. The handler checks each.
    different_host: str | list[str] | None = None
    same_host: str | list[str] | None = None
    query: Any = None
    target_cell: str | None = None
    different_cell: Any = None
    build_near_host_ip: str | None = None
    cidr: str | None = None


class ServerFields(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Trimmed
    flavor_ref: Annotated[str, Meta(min_length=1)] | int = field(name="flavorRef")
    image_ref: ImageRef | None = field(name="imageRef", default=None)
    admin_pass: str | UnsetType = field(name="adminPass", default=UNSET)
    metadata: Metadata = {}
    block_device_mapping: list[LegacyDevice] = []
    block_device_mapping_v2: list[BlockDevice] = []
    networks: list[Network] | Literal["auto", "none"] | UnsetType = UNSET
    disk_config: DiskConfig | UnsetType = field(name="OS-DCF:diskConfig", default=UNSET)
    access_ip_v4: str | UnsetType = field(name="accessIPv4", default=UNSET)
    access_ip_v6: str | UnsetType = field(name="accessIPv6", default=UNSET)
    personality: list[File] | UnsetType = UNSET
    availability_zone: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType = UNSET
    config_drive: bool = False
    key_name: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType = UNSET
    min_count: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    max_count: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    return_reservation_id: bool = False
    security_groups: list[SecurityGroup] = []
    user_data: Annotated[str, Meta(max_length=65535)] | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    trusted_image_certificates: (
        Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1, max_length=50)] | UnsetType | None
    ) = UNSET
    host: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType = UNSET
    hypervisor_hostname: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType = UNSET
    hostname: Fqdn | UnsetType = UNSET


SINCE: Final[Versions] = {
    "description": (2, 19),
    "tags": (2, 52),
    "trusted_image_certificates": (2, 63),
    "host": (2, 74),
    "hypervisor_hostname": (2, 74),
    "hostname": (2, 90),
}
UNTIL: Final[Versions] = {"personality": (2, 56)}


class CreateBody(Struct, forbid_unknown_fields=True):
    server: ServerFields
    hints: Hints | UnsetType = field(name="os:scheduler_hints", default=UNSET)
    data_hints: Hints | UnsetType = field(name="OS-SCH-HNT:scheduler_hints", default=UNSET)


class Update(Struct, forbid_unknown_fields=True):
    name: Trimmed | UnsetType = UNSET
    access_ip_v4: str | UnsetType = field(name="accessIPv4", default=UNSET)
    access_ip_v6: str | UnsetType = field(name="accessIPv6", default=UNSET)
    disk_config: DiskConfig | UnsetType = field(name="OS-DCF:diskConfig", default=UNSET)
    description: Description | UnsetType | None = UNSET
    hostname: Fqdn | UnsetType = UNSET
    pinned_availability_zone: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType | None = UNSET


class UpdateBody(Struct, forbid_unknown_fields=True):
    server: Update


class MetadataBody(Struct, forbid_unknown_fields=True):
    metadata: Metadata


class MetaBody(Struct, forbid_unknown_fields=True):
    meta: Metadata


class TagsBody(Struct, forbid_unknown_fields=True):
    tags: Tags
