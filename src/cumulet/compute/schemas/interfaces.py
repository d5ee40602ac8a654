"""Bodies of `/v2.1/servers/{id}/os-interface` (Compute API, Port interfaces)."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from cumulet.compute.schemas.servers import DeviceTag, Uuid


class FixedIp(Struct, forbid_unknown_fields=True):
    ip_address: str


class Interface(Struct, forbid_unknown_fields=True):
    net_id: Uuid | UnsetType = UNSET
    port_id: Uuid | UnsetType = UNSET
    fixed_ips: Annotated[list[FixedIp], Meta(min_length=1, max_length=1)] | UnsetType = UNSET
    tag: DeviceTag | UnsetType = UNSET


class InterfaceBody(Struct, forbid_unknown_fields=True):
    interface: Interface = field(name="interfaceAttachment", default_factory=Interface)
