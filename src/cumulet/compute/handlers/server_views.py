"""How a server is shown: what each microversion adds, and what only administrators see."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from sqlalchemy.engine import Row

from cumulet.compute import views
from cumulet.compute.domain import servers
from cumulet.compute.domain.server_states import status_of
from cumulet.compute.handlers import server_pieces
from cumulet.compute.service import Compute
from cumulet.kernel.http import Call

_WITH_PROGRESS = ("ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "REVERT_RESIZE", "PASSWORD")
_WITH_FAULT = ("ERROR", "DELETED")


class Rights(NamedTuple):
    """What the caller may see beside a server's own facts; asked once a request, not once a row."""

    host: bool
    host_status: bool
    specs: bool
    fault_details: bool
    base: str


def rights(call: Call[Compute], project_id: str | None) -> Rights:
    def may(rule: str) -> bool:
        return call.service.policy.allows(call.ctx, f"os_compute_api:{rule}", {"project_id": project_id})

    return Rights(
        host=may("os-extended-server-attributes"),
        host_status=call.version >= (2, 16) and may("servers:show:host_status"),
        specs=call.version >= (2, 47) and may("os-flavor-extra-specs:index"),
        fault_details=call.ctx.is_admin,
        base=views.base_url(call),
    )


def links(call: Call[Compute], server_id: str) -> list[dict[str, str]]:
    return views.links(call, f"servers/{server_id}")


def brief(base: str, row: Row[Any]) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "links": views.links_at(base, f"servers/{row.id}")}


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
        "hostId": server_pieces.host_id(row.project_id, row.host) if row.host else "",
        "image": _image(call, row, seen.base),
        "flavor": (
            server_pieces.flavor(row.flavor, specs=seen.specs)
            if call.version >= (2, 47)
            else server_pieces.flavor_link(seen.base, row.flavor)
        ),
        "created": server_pieces.moment(row.created_at),
        "updated": server_pieces.moment(row.updated_at),
        "addresses": server_pieces.addresses(row.addresses, plain=not extended and call.version < (2, 75)),
        "accessIPv4": row.access_ip_v4 or "",
        "accessIPv6": row.access_ip_v6 or "",
        "links": views.links_at(seen.base, f"servers/{row.id}"),
        "OS-DCF:diskConfig": "AUTO" if row.auto_disk_config else "MANUAL",
    }
    if status in _WITH_PROGRESS:
        shown["progress"] = row.progress
    if status in _WITH_FAULT and row.fault is not None:
        shown["fault"] = _fault(row, details=seen.fault_details)
    if extended or call.version >= (2, 75):
        shown |= _extended(call, row, seen, host_status)
    if call.version >= (2, 9):
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
    shown = {
        "key_name": row.key_name,
        "config_drive": "True" if row.config_drive else "",
        "OS-EXT-AZ:availability_zone": row.availability_zone or "",
        "OS-SRV-USG:launched_at": _bare(row.launched_at),
        "OS-SRV-USG:terminated_at": _bare(row.terminated_at),
        "OS-EXT-STS:task_state": row.task_state,
        "OS-EXT-STS:vm_state": row.vm_state,
        "OS-EXT-STS:power_state": row.power_state,
        "os-extended-volumes:volumes_attached": server_pieces.volumes(row.volumes, plain=call.version < (2, 3)),
    }
    groups = server_pieces.security_groups(row.security_groups)
    if groups is not None and row.addresses != "[]":  # they are those of its ports
        shown["security_groups"] = groups
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


def instance_name(row: Row[Any]) -> str:
    return f"instance-{row.number:08x}"


def _bare(at: int | None) -> str | None:
    """Without a zone, and with a part of a second that is always none, as the original shows these two."""
    return None if at is None else server_pieces.moment(at)[:-1] + ".000000"


def _image(call: Call[Compute], row: Row[Any], base: str) -> Any:
    if row.image_id is None:
        return ""
    return server_pieces.image(base, row.image_id, row.image_properties if call.version >= (2, 98) else None)


def _fault(row: Row[Any], *, details: bool) -> dict[str, Any]:
    fault = servers.decode(row.fault)
    shown = {"code": fault["code"], "created": fault["created"], "message": fault["message"]}
    if fault.get("details") and (details or fault["code"] != 500):
        shown["details"] = fault["details"]
    return shown
