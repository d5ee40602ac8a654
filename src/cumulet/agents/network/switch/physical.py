"""An interface of the host as a bridge's uplink, with the host's own addresses moved along.

An enslaved interface does not receive for itself any more, so its addresses and routes go to the bridge, as Neutron's
Linux bridge agent does it. All of a move (up to 64 requests) is one netlink send: nothing that kills this process can
leave the host half way, without its addresses.
"""

from __future__ import annotations

from cumulet.agents.network.links import Link
from cumulet.agents.network.netlink import Netlink

_KERNEL_ROUTE, _LINK_SCOPE, _UNICAST = 2, 253, 1


def take(netlink: Netlink, interface: Link, bridge: Link) -> bool:
    """Put `interface` into `bridge` and move its addresses there; True if anything had to be done."""
    addressed = any(a.index == interface.index and a.scope != _LINK_SCOPE for a in netlink.addresses())
    if interface.master == bridge.index and not addressed and bridge.mac == interface.mac and interface.up:
        return False
    _move(netlink, interface, source=interface, target=bridge, master=bridge.index)
    return True


def release(netlink: Netlink, interface: Link, bridge: Link) -> None:
    """Take `interface` out of `bridge` and give it back the addresses."""
    _move(netlink, interface, source=bridge, target=interface, master=0)


def _move(netlink: Netlink, interface: Link, source: Link, target: Link, master: int) -> None:
    addresses = [a for a in netlink.addresses() if a.index == source.index and a.scope != _LINK_SCOPE]
    routes = [r for r in netlink.routes() if r.index == source.index and r.protocol != _KERNEL_ROUTE]
    batch = netlink.batch()
    if master and target.mac != interface.mac:
        # Neighbours keep the MAC they know.
        batch.link(target.name, "set", index=target.index, address=interface.mac)
    if interface.master != master:
        batch.link(interface.name, "set", index=interface.index, master=master)
    batch.link(interface.name, "set", index=interface.index, state="up")
    batch.link(target.name, "set", index=target.index, state="up")
    for a in addresses:
        where = {"address": a.address, "prefixlen": a.prefix_length, "scope": a.scope}
        batch.address(target.name, "replace", index=target.index, **where)
        batch.address(source.name, "del", index=source.index, address=a.address, prefixlen=a.prefix_length)
    # Routes that need no gateway come first: the others may be reached through them.
    for r in sorted((r for r in routes if r.kind == _UNICAST), key=lambda r: r.gateway is not None):
        attributes = {"dst": r.destination, "family": r.family, "proto": r.protocol, "scope": r.scope}
        attributes |= {"gateway": r.gateway} if r.gateway else {}
        attributes |= {"prefsrc": r.source} if r.source else {}
        attributes |= {"priority": r.priority} if r.priority else {}
        batch.route(target.name, "replace", oif=target.index, **attributes)
    batch.do()
