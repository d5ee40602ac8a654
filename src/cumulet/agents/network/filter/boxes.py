"""Making overlapping (range, prefix) pairs disjoint.

nftables' sets of ranges refuse elements that overlap, and rules of a security group overlap freely: "TCP 1-65535 from
10.0.0.0/8" beside "TCP 22 from anywhere". What such rules allow together is the same set of packets cut differently.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from cumulet.agents.network.state import IpNetwork


class Box(NamedTuple):
    """Numbers `first` to `last` (ports, protocols, ICMP types and codes) from the addresses of `network`."""

    first: int
    last: int
    network: IpNetwork


class TooMany(Exception):
    """The disjoint form would be larger than the limit; the caller has to write the rules out one by one."""


def disjoint(boxes: Iterable[Box], limit: int) -> list[Box]:
    """The same pairs without overlap, in order. All networks are of one family.

    Cutting n boxes that all overlap can give n² pieces; TooMany beyond `limit` keeps a hostile set of rules harmless.
    """
    networks: dict[tuple[int, int], list[IpNetwork]] = defaultdict(list)
    for box in boxes:
        networks[box.first, box.last].append(box.network)
    spans = sorted(networks)
    if all(before[1] < after[0] for before, after in pairwise(spans)):
        pieces = [(span, _collapse(networks[span])) for span in spans]
    else:
        pieces = _cut(networks, limit)
    found = [Box(first, last, network) for (first, last), prefixes in pieces for network in prefixes]
    if len(found) > limit:
        raise TooMany(f"{len(found)} pieces")
    return found


def _cut(
    networks: dict[tuple[int, int], list[IpNetwork]], limit: int
) -> list[tuple[tuple[int, int], tuple[IpNetwork, ...]]]:
    """Sweep over the numbers: between two places where a span begins or ends, the same networks apply."""
    starts: dict[int, list[tuple[int, int]]] = defaultdict(list)
    ends: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for span in networks:
        starts[span[0]].append(span)
        ends[span[1] + 1].append(span)
    edges = sorted({*starts, *ends})
    active: set[tuple[int, int]] = set()
    pieces: list[tuple[tuple[int, int], tuple[IpNetwork, ...]]] = []
    total = 0
    for edge, following in pairwise(edges):
        active = (active | set(starts[edge])) - set(ends[edge])
        if not active:
            continue
        prefixes = _collapse(network for span in active for network in networks[span])
        if pieces and pieces[-1][0][1] == edge - 1 and pieces[-1][1] == prefixes:
            pieces[-1] = ((pieces[-1][0][0], following - 1), prefixes)
            continue
        total += len(prefixes)
        if total > limit:
            raise TooMany(f"more than {limit} pieces")
        pieces.append(((edge, following - 1), prefixes))
    return pieces


def _collapse(networks: Iterable[IpNetwork]) -> tuple[IpNetwork, ...]:
    """Those that are not inside another. Neighbours are not joined: then a small change stays a small one."""
    found = list(networks)
    if len(found) == 1:
        return tuple(found)
    kept: list[IpNetwork] = []
    end = -1
    for first, _, network in sorted((int(n.network_address), n.prefixlen, n) for n in found):
        if first > end:
            kept.append(network)
            end = int(network.broadcast_address)
    return tuple(kept)
