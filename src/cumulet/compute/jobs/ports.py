"""The ports of a server: made, bound and let go, each step safe to repeat."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Row

from cumulet.compute.clients import addresses, network
from cumulet.compute.domain import servers
from cumulet.compute.service import Compute
from cumulet.kernel.jobs import Job

Vif = dict[str, Any]


def connect(
    compute: Compute, job: Job, row: Row[Any], host: str, zone: str, *, is_new: bool = False
) -> tuple[list[Vif], list[str]]:
    """Have every requested port there and bound to the host.

    Returns the server's VIFs in the order asked for, and the names of the security groups that they are in. `is_new`:
    no earlier run can have made any port for it, so that nobody looks for them.
    """
    wanted = job.payload["networks"]
    if not wanted:
        return [], servers.decode(row.security_groups)
    session = compute.session
    present = {} if is_new else {port["id"]: port for port in network.ports_of(session, row.id)}
    binding = {"device_id": row.id, "device_owner": f"{network.OWNER}{zone}", "binding:host_id": host}
    own = {one["port"] for one in wanted if one["port"]}
    spare = [port for port in present.values() if port["id"] not in own]
    groups: list[str] | None = None
    found = []
    for one in wanted:
        job.check()
        if one["port"]:
            port = network.update_port(session, one["port"], binding)
        else:
            made = [port for port in spare if port["network_id"] == one["network"]]
            if made:
                port = made[0]
                spare.remove(port)
                if port.get("binding:host_id") != host:
                    port = network.update_port(session, port["id"], binding)
            else:
                if groups is None:
                    names = servers.decode(row.security_groups)
                    groups = network.security_group_ids(session, row.project_id, names) if names != ["default"] else []
                port = network.create_port(session, _values(row, one, groups) | binding)
        found.append((one, port))
    networks = network.networks(session, [port["network_id"] for _, port in found])
    vifs = [addresses.vif(port, networks, tag=one.get("tag"), preserve=bool(one["port"])) for one, port in found]
    return vifs, _groups_of(compute, row, found)


def _groups_of(compute: Compute, row: Row[Any], found: list[tuple[dict[str, Any], network.Port]]) -> list[str]:
    """Those asked for, where all ports were made with them: not on a network without port security, for example."""
    if all(port.get("security_groups") and not one["port"] for one, port in found):
        names: list[str] = servers.decode(row.security_groups)
        return names
    ids = {group for _, port in found for group in port.get("security_groups", ())}
    known = network.security_groups(compute.session, ids) if ids else {}
    return sorted({one["name"] for one in known.values()})


def _values(row: Row[Any], one: dict[str, Any], groups: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {"network_id": one["network"], "project_id": row.project_id, "admin_state_up": True}
    if one["fixed_ip"]:
        values["fixed_ips"] = [{"ip_address": one["fixed_ip"]}]
    if groups:
        values["security_groups"] = groups
    return values


def bind(compute: Compute, job: Job, row: Row[Any], host: str, zone: str | None = None) -> None:
    """Have the server's ports bound to this host, to none for an empty name."""
    for port in network.ports_of(compute.session, row.id):
        job.check()
        if port.get("binding:host_id") == host:
            continue
        values = {"binding:host_id": host}
        if zone is not None:
            values["device_owner"] = f"{network.OWNER}{zone}"
        network.bind_port(compute.session, port["id"], values)


def disconnect(compute: Compute, job: Job, row: Row[Any], kept: set[str]) -> None:
    """Delete the ports made for the server, let go of those in `kept`."""
    for port in network.ports_of(compute.session, row.id):
        job.check()
        if port["id"] in kept:
            network.release_port(compute.session, port["id"])
        else:
            network.delete_port(compute.session, port["id"])
