"""A container's cards: a pair of devices, one end on the host under the tap's name, one inside with the port's MAC.

The network agent takes up the outer end as it does a tap (docs/network-agent.md).
"""

from __future__ import annotations

import contextlib
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
        link = netlink.link(outer)
        batch = netlink.batch()
        if link is not None:
            batch.link(outer, "del", index=link.index)
        peer = {"ifname": name, "address": card.mac, "net_ns_fd": descriptor} | ({"mtu": card.mtu} if card.mtu else {})
        mtu = {"mtu": card.mtu} if card.mtu else {}
        batch.link(outer, "add", ifname=outer, kind="veth", peer=peer, address="fe" + card.mac[2:], **mtu)
        batch.do()
    finally:
        os.close(descriptor)
        netlink.close()


def unplug(namespace: str | None, card: Card) -> None:
    netlink = Netlink(namespace)
    try:
        link = netlink.link(names.tap(card.port_id))
        if link is not None:
            batch = netlink.batch()
            batch.link(link.name, "del", index=link.index)
            with contextlib.suppress(FileNotFoundError):
                batch.do()
    finally:
        netlink.close()
