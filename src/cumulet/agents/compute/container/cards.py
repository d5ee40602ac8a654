"""A container's cards: a pair of devices, one end on the host under the tap's name, one inside with the port's MAC.

The network agent takes up the outer end as it does a tap (docs/network-agent.md).
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from cumulet.agents.compute.folders import Card
from cumulet.agents.network import names
from cumulet.agents.network.netlink import Netlink


def plug(namespace: str | None, card: Card, inside: Path, name: str) -> None:
    """Have the pair, its inner end in the namespace `inside` as `name`. An older pair is replaced."""
    outer = names.tap(card.port_id)
    netlink = Netlink(namespace)
    descriptor = os.open(inside, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _remove(netlink, outer)
        mtu = {"mtu": card.mtu} if card.mtu else {}
        peer = {"ifname": name, "address": card.mac, "net_ns_fd": descriptor, **mtu}
        batch = netlink.batch()
        batch.link(outer, "add", ifname=outer, kind="veth", peer=peer, address="fe" + card.mac[2:], **mtu)
        batch.do()
    finally:
        os.close(descriptor)
        netlink.close()


def unplug(namespace: str | None, card: Card) -> None:
    netlink = Netlink(namespace)
    try:
        _remove(netlink, names.tap(card.port_id))
    finally:
        netlink.close()


def _remove(netlink: Netlink, name: str) -> None:
    """The kernel takes a pair away by itself a moment after the container has ended: it may go before our eyes."""
    link = netlink.link(name)
    if link is None:
        return
    batch = netlink.batch()
    batch.link(name, "del", index=link.index)
    try:
        batch.do()
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
