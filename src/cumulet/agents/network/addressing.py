"""Addresses and routes of a device in one of our namespaces, brought to exactly what is wanted."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import NamedTuple

from cumulet.agents.network.links import Link
from cumulet.agents.network.netlink import Address, Netlink, RouteEntry
from cumulet.agents.network.state import ip_address, ip_network

_LINK_SCOPE = 253
_KERNEL = 2
_ROUTER_ADVERTISEMENT = 9
STATIC = 4
_NO_DAD = 0x02  # IFA_F_NODAD: we know that the address is ours, and cannot wait a second for nobody to object


def ensure_addresses(
    netlink: Netlink, link: Link, wanted: Iterable[str], have: Iterable[Address] | None = None, *, keep_link_local: bool
) -> list[str]:
    """Have exactly the CIDRs of `wanted` on `link`; those added. Link-local ones of the kernel's making may stay."""
    existing = {a.cidr: a for a in (netlink.addresses() if have is None else have) if a.index == link.index}
    targets = {_canonical(cidr) for cidr in wanted}
    batch = netlink.batch()
    for cidr in sorted(existing.keys() - targets):
        address = existing[cidr]
        if keep_link_local and address.scope == _LINK_SCOPE and ":" in address.address:
            continue
        batch.address(cidr, "del", index=link.index, address=address.address, prefixlen=address.prefix_length)
    added = sorted(targets - existing.keys())
    for cidr in added:
        ip, length = cidr.split("/")
        extra: dict[str, object] = {"flags": _NO_DAD} if ":" in ip else {}
        if ":" not in ip and int(length) < 31:
            extra["broadcast"] = str(ip_network(cidr).broadcast_address)
        batch.address(cidr, "replace", index=link.index, address=ip, prefixlen=int(length), **extra)
    batch.do()
    return added


class WantedRoute(NamedTuple):
    """A destination (CIDR, or `default4` and `default6`), a next hop or None for on-link, and a device's index."""

    destination: str
    gateway: str | None
    device: int


def ensure_routes(
    netlink: Netlink, wanted: Iterable[WantedRoute], connected: Iterable[tuple[str, int]] = ()
) -> list[str]:
    """Have exactly these routes in the main table; those added.

    `connected` are the (CIDR, device) pairs of addresses, whose prefixes' routes the kernel makes by itself, once: if
    somebody removed one, it is put back. OSError names a route whose next hop cannot be reached; the others are in
    place then.
    """
    have: dict[WantedRoute, RouteEntry] = {}
    by_kernel: set[tuple[str, int | None]] = set()
    for route in netlink.routes():
        if route.protocol == _KERNEL:
            by_kernel.add((route.destination, route.index))
        if route.protocol in (_KERNEL, _ROUTER_ADVERTISEMENT) or route.index is None or route.kind != 1:
            continue
        destination = route.destination
        if destination == "default":
            destination = "default4" if route.family == socket.AF_INET else "default6"
        have[WantedRoute(destination, route.gateway, route.index)] = route
    restored = _restore_connected(netlink, connected, by_kernel)
    targets = {WantedRoute(_destination(d), g, i) for d, g, i in wanted}
    batch = netlink.batch()
    for key in have.keys() - targets:
        batch.route(key[0], "del", **_attributes(key), proto=have[key].protocol)
    batch.do()
    # Routes without a next hop first: the others' next hops may be reached through them.
    added = sorted(targets - have.keys(), key=lambda r: (r[1] is not None, r[0]))
    for key in added:
        scope = {"scope": _LINK_SCOPE} if key[1] is None and ":" not in key[0] and key[0] != "default6" else {}
        batch.route(f"route to {key[0]} via {key[1]}", "replace", **_attributes(key), proto=STATIC, **scope)
    batch.do()
    return restored + [key[0] for key in added]


def _restore_connected(
    netlink: Netlink, connected: Iterable[tuple[str, int]], present: set[tuple[str, int | None]]
) -> list[str]:
    batch, restored = netlink.batch(), []
    for cidr, index in connected:
        network = ip_network(cidr)
        if network.prefixlen == network.max_prefixlen or (str(network), index) in present:
            continue
        attributes: dict[str, object] = {"dst": str(network), "oif": index, "proto": _KERNEL}
        if network.version == 4:
            attributes |= {"scope": _LINK_SCOPE, "prefsrc": cidr.split("/")[0]}
        else:
            attributes |= {"family": socket.AF_INET6, "priority": 256}
        batch.route(f"route to {network}", "replace", **attributes)
        restored.append(str(network))
    batch.do()
    return restored


def _attributes(key: WantedRoute) -> dict[str, object]:
    destination, gateway, index = key
    family = socket.AF_INET6 if ":" in destination or destination == "default6" else socket.AF_INET
    attributes: dict[str, object] = {"oif": index, "family": family}
    attributes["dst"] = "default" if destination.startswith("default") else destination
    if gateway is not None:
        attributes["gateway"] = gateway
    return attributes


def _destination(text: str) -> str:
    if text.startswith("default"):
        return text
    network = ip_network(text)
    if network.prefixlen == 0:
        return f"default{network.version}"
    return str(network)


def _canonical(cidr: str) -> str:
    address, length = cidr.split("/")
    return f"{ip_address(address)}/{length}"
