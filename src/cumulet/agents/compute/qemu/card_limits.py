"""What a guest's cards may send and get: a flavor's quota:vif_{inbound,outbound}_{average,burst}.

Kilobytes (a second), each card for itself. What is over is dropped where the tap is a port of its bridge, in a table of
this agent's own: Network's QoS policies hold beside it. Source: Nova's extra specs (quota:vif_…).
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from cumulet.agents.compute import taps
from cumulet.agents.compute.config import HostConfig
from cumulet.agents.compute.folders import Record
from cumulet.agents.network import netns
from cumulet.agents.network.nft import expressions as e
from cumulet.agents.network.nft.kernel import Kernel, KernelTable
from cumulet.agents.network.nft.model import Chain, Hook, Key, NftSet, SetSpec, Table, Value
from cumulet.agents.network.qos.limits import limit_object

_KBITS: Final = 8  # of a kilobyte
_BEFORE_ANTISPOOFING: Final = -309
_WAYS: Final = {"outbound": ("prerouting", "iifname"), "inbound": ("forward", "oifname")}
"""As the guest sees it: where a frame is looked at, and which of its devices is the card's."""
_applying: Final = threading.Lock()


def of_flavor(flavor: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Kilobits a second and of a burst (0: as usual), by way. Raises ValueError that names the extra spec."""
    specs = flavor.get("extra_specs") or {}
    found = {}
    for way in _WAYS:
        numbers = {}
        for what in ("average", "burst"):
            name = f"quota:vif_{way}_{what}"
            value = str(specs.get(name) or 0)
            if not value.isdigit():
                raise ValueError(f"{name}: {value!r} is not a whole number")
            numbers[what] = int(value) * _KBITS
        if numbers["average"]:
            found[way] = (numbers["average"], numbers["burst"])
    return found


def apply(config: HostConfig, records: Iterable[Record]) -> None:
    """Hold the cards of these guests that have their taps to it, and no others. Raises NftError where the kernel does
    not take it."""
    name = re.sub(r"[^a-z0-9_]", "_", f"cumulet_{config.prefix.lower()}_cards")
    with _applying:
        with netns.inside(config.host_namespace):
            there = {device for _, device in socket.if_nameindex()}
        wanted = build(name, records, there)
        kernel = Kernel(config.host_namespace)
        try:
            table = KernelTable(kernel, "bridge", wanted.name)
            if wanted.objects:
                table.apply(wanted)
            else:
                table.delete()
        finally:
            kernel.close()


def build(name: str, records: Iterable[Record], there: Collection[str]) -> Table:
    objects: dict[tuple[str, str], dict[str, object]] = {}
    elements: dict[str, dict[Key, Value]] = {way: {} for way in _WAYS}
    for record in records:
        for way, (kbps, burst_kbits) in of_flavor(record.guest.flavor).items():
            for device in {taps.name_of(card.port_id) for card in record.cards} & set(there):
                limit, attributes = limit_object(f"{way}_{device}", kbps=kbps, burst_kbits=burst_kbits)
                objects["limit", limit] = attributes
                elements[way][device] = limit
    chains = {
        way: Chain([[{"limit": e.mapped(e.meta(key), way)}, e.DROP]], Hook("filter", hook, _BEFORE_ANTISPOOFING))
        for way, (hook, key) in _WAYS.items()
    }
    sets = {way: NftSet(SetSpec("ifname", "limit"), found) for way, found in elements.items()}
    return Table("bridge", name, sets, chains, objects)
