"""Bodies of `/v2.1/servers/{id}/action` (Compute API, Servers - run an action)."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from cumulet.compute.schemas.names import Description, HostName, Trimmed
from cumulet.compute.schemas.servers import DiskConfig, File, Fqdn, Metadata, Uuid, Versions

Password = Annotated[str, Meta(max_length=255)]


class Rebuild(Struct, forbid_unknown_fields=True, kw_only=True):
    image_ref: Annotated[str, Meta(max_length=255)] = field(name="imageRef")
    name: Trimmed | UnsetType = UNSET
    admin_pass: Password | UnsetType = field(name="adminPass", default=UNSET)
    metadata: Metadata | UnsetType = UNSET
    preserve_ephemeral: bool = False
    disk_config: DiskConfig | UnsetType = field(name="OS-DCF:diskConfig", default=UNSET)
    access_ip_v4: str | UnsetType = field(name="accessIPv4", default=UNSET)
    access_ip_v6: str | UnsetType = field(name="accessIPv6", default=UNSET)
    personality: list[File] | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    key_name: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType | None = UNSET
    user_data: Annotated[str, Meta(max_length=65535)] | UnsetType | None = UNSET
    trusted_image_certificates: (
        Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1, max_length=50)] | UnsetType | None
    ) = UNSET
    hostname: Fqdn | UnsetType = UNSET


REBUILD_SINCE: Final[Versions] = {
    "description": (2, 19),
    "key_name": (2, 54),
    "user_data": (2, 57),
    "trusted_image_certificates": (2, 63),
    "hostname": (2, 90),
}
REBUILD_UNTIL: Final[Versions] = {"personality": (2, 56)}


class Rescue(Struct, forbid_unknown_fields=True):
    admin_pass: Password | UnsetType = field(name="adminPass", default=UNSET)
    rescue_image_ref: Uuid | UnsetType = UNSET


class Resize(Struct, forbid_unknown_fields=True):
    flavor_ref: Annotated[str, Meta(min_length=1, max_length=255)] | int = field(name="flavorRef")
    disk_config: DiskConfig | UnsetType = field(name="OS-DCF:diskConfig", default=UNSET)


class CreateImage(Struct, forbid_unknown_fields=True):
    name: Trimmed
    metadata: Metadata = {}


class CreateBackup(Struct, forbid_unknown_fields=True):
    name: Trimmed
    backup_type: Annotated[str, Meta(max_length=255)]
    rotation: Annotated[int, Meta(ge=0)]
    metadata: Metadata = {}


class ChangePassword(Struct, forbid_unknown_fields=True):
    admin_pass: Password = field(name="adminPass")


class Migrate(Struct, forbid_unknown_fields=True):
    host: HostName | None = None


class Live(Struct, forbid_unknown_fields=True):
    """`host` and `block_migration` must be there; the handler says so by the microversion's rules."""

    host: HostName | UnsetType | None = UNSET
    block_migration: bool | Literal["auto"] | UnsetType = UNSET
    disk_over_commit: bool | UnsetType = UNSET
    force: bool | UnsetType = UNSET


class Evacuate(Struct, forbid_unknown_fields=True):
    host: HostName | UnsetType = UNSET
    on_shared_storage: bool | UnsetType = field(name="onSharedStorage", default=UNSET)
    admin_pass: Password | UnsetType = field(name="adminPass", default=UNSET)
    force: bool | UnsetType = UNSET


class Unshelve(Struct, forbid_unknown_fields=True):
    availability_zone: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType | None = UNSET
    host: HostName | UnsetType = UNSET


class RemoteConsole(Struct, forbid_unknown_fields=True):
    protocol: str
    type: str


class Console(Struct, forbid_unknown_fields=True):
    type: str


class RemoteConsoleBody(Struct, forbid_unknown_fields=True):
    remote_console: RemoteConsole
