"""What Network says of a server's ports now, as the server's row keeps it."""

from __future__ import annotations

from typing import Any

from cumulet.compute.clients import network
from cumulet.kernel.client import Session

Vif = dict[str, Any]


def vif(
    port: dict[str, Any],
    networks: dict[str, dict[str, Any]],
    *,
    tag: str | None = None,
    preserve: bool = False,
    floating: dict[tuple[str, str], list[str]] | None = None,
) -> Vif:
    """A port as the server's row keeps it. `preserve`: it was there before the server, and stays after it.

    `floating` has the floating addresses by port and fixed address.
    """
    its_network = networks.get(port["network_id"], {})
    return {
        "id": port["id"],
        "network_id": port["network_id"],
        "label": its_network.get("name", ""),
        "mac": port["mac_address"],
        "mtu": its_network.get("mtu"),
        "tag": tag,
        "preserve": preserve,
        "ips": [_ip(port["id"], ip, floating or {}) for ip in port["fixed_ips"]],
    }


def _ip(port_id: str, ip: dict[str, Any], floating: dict[tuple[str, str], list[str]]) -> dict[str, Any]:
    address = ip["ip_address"]
    shown = {"address": address, "version": 6 if ":" in address else 4, "subnet_id": ip["subnet_id"]}
    outside = floating.get((port_id, address))
    return shown | ({"floating": outside} if outside else {})


def current(session: Session, server_id: str) -> tuple[list[Vif], list[str]]:
    """The VIFs of a server and the names of its security groups: four calls, however many ports it has."""
    ports = network.ports_of(session, server_id)
    if not ports:
        return [], []
    networks = network.networks(session, [port["network_id"] for port in ports])
    floating: dict[tuple[str, str], list[str]] = {}
    for one in network.floating_ips(session, [port["id"] for port in ports]):
        floating.setdefault((one["port_id"], one["fixed_ip_address"]), []).append(one["floating_ip_address"])
    names = network.security_groups(session, {group for port in ports for group in port.get("security_groups", ())})
    vifs = [vif(port, networks, floating=floating) for port in ports]
    return vifs, sorted({one["name"] for one in names.values()})
