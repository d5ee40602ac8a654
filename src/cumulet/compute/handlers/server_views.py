"""How a server is shown: what each microversion adds, and what only administrators see."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from sqlalchemy.engine import Row

from cumulet.compute import views
from cumulet.compute.domain import servers
from cumulet.compute.domain.server_states import status_of
from cumulet.compute.service import Compute
from cumulet.kernel import clock
from cumulet.kernel.http import Call

_WITH_PROGRESS = ("ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "REVERT_RESIZE", "PASSWORD")
_WITH_FAULT = ("ERROR", "DELETED")


_OF_ALL_IMAGES = frozenset(
    (
        *("id", "name", "status", "visibility", "owner", "size", "virtual_size", "checksum", "protected", "schema"),
        *("os_hash_algo", "os_hash_value", "os_hidden", "file", "self", "created_at", "updated_at", "min_ram"),
        *("min_disk", "container_format", "disk_format", "direct_url", "stores"),
    )
)


class Rights(NamedTuple):
    """What the caller may see beside a server's own facts; asked once a request, not once a row."""

    host: bool
    host_status: bool
    specs: bool
    fault_details: bool


def rights(call: Call[Compute], project_id: str | None) -> Rights:
    def may(rule: str) -> bool:
        return call.service.policy.allows(call.ctx, f"os_compute_api:{rule}", {"project_id": project_id})

    return Rights(
        host=may("os-extended-server-attributes"),
        host_status=call.version >= (2, 16) and may("servers:show:host_status"),
        specs=call.version >= (2, 47) and may("os-flavor-extra-specs:index"),
        fault_details=call.ctx.is_admin,
    )


def links(call: Call[Compute], server_id: str) -> list[dict[str, str]]:
    return views.links(call, f"servers/{server_id}")


def brief(call: Call[Compute], row: Row[Any]) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "links": links(call, row.id)}


def detailed(
    call: Call[Compute],
    row: Row[Any],
    seen: Rights,
    host_status: dict[str, str],
    *,
    extended: bool = True,
    groups: list[str] | None = None,
) -> dict[str, Any]:
    """One server in full. `extended` False: without what extensions added, as PUT and rebuild answer before 2.75."""
    status = status_of(row.vm_state, row.task_state)
    metadata = msgspec.Raw(row.metadata.encode())
    shown: dict[str, Any] = {
        "id": row.id,
        "name": row.name,
        "status": status,
        "tenant_id": row.project_id,
        "user_id": row.user_id,
        "metadata": metadata,
        "hostId": host_id(row),
        "image": _image(call, row),
        "flavor": _flavor(call, row, seen),
        "created": clock.iso(row.created_at),
        "updated": clock.iso(row.updated_at),
        "addresses": addresses(row.addresses, plain=not extended and call.version < (2, 75)),
        "accessIPv4": row.access_ip_v4 or "",
        "accessIPv6": row.access_ip_v6 or "",
        "links": links(call, row.id),
        "OS-DCF:diskConfig": "AUTO" if row.auto_disk_config else "MANUAL",
    }
    if status in _WITH_PROGRESS:
        shown["progress"] = row.progress
    if status in _WITH_FAULT and row.fault is not None:
        shown["fault"] = _fault(row, details=seen.fault_details)
    if extended or call.version >= (2, 75):
        shown |= _extended(call, row, seen, host_status)
    if call.version >= (2, 9) and (extended or call.version >= (2, 9)):
        shown["locked"] = row.locked
    if call.version >= (2, 19):
        shown["description"] = row.description
    if call.version >= (2, 26):
        shown["tags"] = msgspec.Raw(row.tags.encode())
    if call.version >= (2, 63):
        shown["trusted_image_certificates"] = servers.decode(row.trusted_image_certificates)
    if call.version >= (2, 73):
        shown["locked_reason"] = row.locked_reason
    if groups is not None and call.version >= (2, 71):
        shown["server_groups"] = groups
    if call.version >= (2, 90):
        shown["OS-EXT-SRV-ATTR:hostname"] = row.hostname
    if call.version >= (2, 96):
        shown["pinned_availability_zone"] = row.requested_zone
    if call.version >= (2, 100):
        shown["scheduler_hints"] = msgspec.Raw(row.scheduler_hints.encode())
    return shown


def _extended(call: Call[Compute], row: Row[Any], seen: Rights, host_status: dict[str, str]) -> dict[str, Any]:
    volumes = servers.decode(row.volumes)
    if call.version < (2, 3):
        volumes = [{"id": volume["id"]} for volume in volumes]
    shown = {
        "key_name": row.key_name,
        "config_drive": "True" if row.config_drive else "",
        "OS-EXT-AZ:availability_zone": row.availability_zone or "",
        "OS-SRV-USG:launched_at": _bare(row.launched_at),
        "OS-SRV-USG:terminated_at": _bare(row.terminated_at),
        "OS-EXT-STS:task_state": row.task_state,
        "OS-EXT-STS:vm_state": row.vm_state,
        "OS-EXT-STS:power_state": row.power_state,
        "os-extended-volumes:volumes_attached": volumes,
    }
    names = servers.decode(row.security_groups)
    if names:
        shown["security_groups"] = [{"name": name} for name in names]
    if seen.host:
        shown |= {
            "OS-EXT-SRV-ATTR:host": row.host,
            "OS-EXT-SRV-ATTR:hypervisor_hostname": row.node,
            "OS-EXT-SRV-ATTR:instance_name": instance_name(row),
        }
        if call.version >= (2, 3):
            shown |= {
                "OS-EXT-SRV-ATTR:hostname": row.hostname,
                "OS-EXT-SRV-ATTR:reservation_id": row.reservation_id,
                "OS-EXT-SRV-ATTR:launch_index": row.launch_index,
                "OS-EXT-SRV-ATTR:kernel_id": "",
                "OS-EXT-SRV-ATTR:ramdisk_id": "",
                "OS-EXT-SRV-ATTR:root_device_name": row.root_device_name,
                "OS-EXT-SRV-ATTR:user_data": servers.decode(row.user_data),
            }
    if seen.host_status:
        shown["host_status"] = "" if row.host is None else host_status.get(row.host, "UNKNOWN")
    return shown


def host_id(row: Row[Any]) -> str:
    """The same for two servers of a project on one host, and nothing else told about the host."""
    return hashlib.sha224(f"{row.project_id}{row.host}".encode()).hexdigest() if row.host else ""


def instance_name(row: Row[Any]) -> str:
    return f"instance-{row.number:08x}"


def _bare(at: int | None) -> str | None:
    return None if at is None else clock.iso_micro(at).rstrip("Z")


def _image(call: Call[Compute], row: Row[Any]) -> Any:
    if row.image_id is None:
        return ""
    bookmark = {"rel": "bookmark", "href": f"{views.base_url(call)}/images/{row.image_id}"}
    shown: dict[str, Any] = {"id": row.image_id, "links": [bookmark]}
    if call.version >= (2, 98):
        shown["properties"] = image_properties(row)
    return shown


def image_properties(row: Row[Any]) -> dict[str, Any]:
    """What the image had beside the attributes that every image has."""
    return {name: value for name, value in servers.decode(row.image_properties).items() if name not in _OF_ALL_IMAGES}


def _flavor(call: Call[Compute], row: Row[Any], seen: Rights) -> dict[str, Any]:
    flavor = servers.decode(row.flavor)
    if call.version < (2, 47):
        bookmark = {"rel": "bookmark", "href": f"{views.base_url(call)}/flavors/{flavor['id']}"}
        return {"id": flavor["id"], "links": [bookmark]}
    shown = {key: flavor[key] for key in ("vcpus", "ram", "disk", "ephemeral", "swap")}
    shown["original_name"] = flavor["name"]
    if seen.specs:
        shown["extra_specs"] = flavor["extra_specs"]
    return shown


def _fault(row: Row[Any], *, details: bool) -> dict[str, Any]:
    fault = servers.decode(row.fault)
    shown = {"code": fault["code"], "created": fault["created"], "message": fault["message"]}
    if fault.get("details") and (details or fault["code"] != 500):
        shown["details"] = fault["details"]
    return shown


def addresses(text: str, *, plain: bool = False) -> dict[str, list[dict[str, Any]]]:
    """`{network name: [{"addr", "version", …}]}` out of the stored VIFs."""
    found: dict[str, list[dict[str, Any]]] = {}
    for vif in servers.decode(text):
        shown = found.setdefault(vif["label"], [])
        for ip in _each_address(vif["ips"]):
            one = {"version": ip["version"], "addr": ip["address"]}
            if not plain:
                one |= {"OS-EXT-IPS:type": ip["type"], "OS-EXT-IPS-MAC:mac_addr": vif["mac"]}
            shown.append(one)
    return found


def _each_address(ips: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for ip in ips:
        yield {**ip, "type": "fixed"}
        for floating in ip.get("floating", ()):
            yield {"address": floating, "version": 4, "type": "floating"}
