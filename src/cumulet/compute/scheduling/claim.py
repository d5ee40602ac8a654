"""Finding a host and taking it: one PUT of allocations decides, so two servers never get the same room."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.agents.compute import numa
from cumulet.compute.clients import placement
from cumulet.compute.scheduling import explanation, filters, weighers
from cumulet.compute.scheduling.hosts import Host, Wish, look_up, wish_of
from cumulet.compute.service import Compute
from cumulet.compute.tables import compute_nodes
from cumulet.kernel.jobs import GiveUp, Retry

_LOST_RACE_S = 0.2
_SAMPLE = 32
_PORTION = 5000  # of parameters in a statement
_OTHERS = 1000  # providers that are no hosts
NO_VALID_HOST = "No valid host was found."


_OF_THREADS = {"isolate": "!HW_CPU_HYPERTHREADING", "require": "HW_CPU_HYPERTHREADING"}
_NEAR_OTHERS = ("affinity", "soft-affinity")
"""Policies by which few hosts will do, or be the best, of all there are."""


class Found(NamedTuple):
    """What Placement offers by provider, the hosts that pass the filters, how many were looked at, what was removed."""

    requests: dict[str, Any]
    left: list[Host]
    seen: int
    removed: filters.Removed


class Claimed(NamedTuple):
    provider: str
    host: str
    node: str
    zone: str


def resources_of(flavor: dict[str, Any], image: dict[str, Any], *, local_root: bool = True) -> dict[str, int]:
    """What a server takes of a host, by resource class; a root disk that is a volume takes nothing of it.

    Processors of its own are PCPU. Raises ValueError for a flavor or an image that contradicts itself.
    """
    asked = numa.wish_of(flavor, image)
    shared = flavor["vcpus"] - (0 if asked is None else len(asked.own))
    disk = (flavor["disk"] if local_root else 0) + flavor["ephemeral"] + -(-flavor["swap"] // 1024)
    wanted = {"VCPU": shared, "MEMORY_MB": flavor["ram"], "DISK_GB": disk}
    wanted["PCPU"] = 0 if asked is None else asked.dedicated()
    for key, value in flavor["extra_specs"].items():
        name = key.removeprefix("resources:")
        if name != key and value.isdigit():
            wanted[name] = int(value)
    return {name: amount for name, amount in wanted.items() if amount}


def traits_of(flavor: dict[str, Any], asked: numa.Wish | None = None) -> list[str]:
    """Traits a flavor requires (`trait:NAME=required`) or forbids, and those that its processors ask for."""
    found = [_OF_THREADS[asked.threads]] if asked is not None and asked.threads in _OF_THREADS else []
    for key, value in flavor["extra_specs"].items():
        name = key.removeprefix("trait:")
        if name != key:
            found.append(name if value == "required" else f"!{name}")
    return found


def claim(compute: Compute, row: Row[Any], place: dict[str, Any], flavor: dict[str, Any] | None = None) -> Claimed:
    """Take room for a server; what it holds already is kept. Raises GiveUp with an explanation, Retry after a race.

    `place`: `host`, `node`, `forced` (past the filters), `excluded` (hosts), `zone` (if not the server's own).
    `flavor`: the one it is to have, if not its own.
    """
    flavor = flavor or msgspec.json.decode(row.flavor)
    try:
        wanted = resources_of(flavor, msgspec.json.decode(row.image_properties), local_root=row.image_id is not None)
        with compute.db.read() as connection:
            wish = wish_of(connection, row, place, flavor)
            tree = _named(compute, connection, wish)
    except ValueError as error:
        raise GiveUp(f"{NO_VALID_HOST} No host could be what flavor and image ask for: {error}") from None
    found = _search(compute, row, wish, flavor, wanted, in_tree=tree, forced=bool(place.get("forced")))
    best = _in_order(compute, weighers.best_first(found.left, wish, compute.conf))
    taken = _take(compute, row, [host for host in best if host.provider in found.requests], found.requests)
    if taken is not None:
        return taken
    if found.left:
        raise Retry(_LOST_RACE_S, "Other servers took the room that was found.")
    raise GiveUp(f"{NO_VALID_HOST} {_refusal(compute, row, found, wanted)}")


def _take(compute: Compute, row: Row[Any], hosts: list[Host], requests: dict[str, Any]) -> Claimed | None:
    """The first of the hosts that has room, or the one that an interrupted run took before."""
    for number, host in enumerate(hosts):
        request = requests[host.provider]
        if placement.claim(compute.session, row.id, request, project_id=row.project_id, user_id=row.user_id):
            return Claimed(host.provider, host.host, host.node, host.zone)
        if number == 0 and (held := _held(compute, row)) is not None:
            return held
    return None if hosts else _held(compute, row)


def _refusal(compute: Compute, row: Row[Any], found: Found, wanted: dict[str, int]) -> str:
    with compute.db.read() as connection:
        total = _count(connection)
    if not found.seen:
        return _lack(compute, row, total, wanted)
    most = compute.conf.scheduler.max_placement_results
    return explanation.of_filters(total, found.seen, found.removed, whole=len(found.requests) < most)


def _named(compute: Compute, connection: Connection, wish: Wish) -> str | None:
    """The provider of the host that was asked for: among very many, Placement might leave it out."""
    wanted = [
        column == name
        for column, name in ((compute_nodes.c.host, wish.host), (compute_nodes.c.hypervisor_hostname, wish.node))
        if name is not None
    ]
    if not wanted or _count(connection) <= compute.conf.scheduler.max_placement_results:
        return None
    return connection.execute(sa.select(compute_nodes.c.id).where(*wanted).limit(1)).scalar()


def _count(connection: Connection) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(compute_nodes)).scalar_one())


def _search(
    compute: Compute,
    row: Row[Any],
    wish: Wish,
    flavor: dict[str, Any],
    wanted: dict[str, int],
    *,
    in_tree: str | None,
    forced: bool,
) -> Found:
    """Placement's candidates, and which of them pass the filters.

    Some drawn at random are looked at first, and all of them only if none of those will do: so the work for a server
    does not grow with the number of hosts, and the load spreads as well. Who wants particular hosts looks at all.
    """
    limit = compute.conf.scheduler.max_placement_results
    particular = wish.host or wish.node or wish.wants_same or wish.policy in _NEAR_OTHERS
    found = Found({}, [], 0, [])
    for sample in (None,) if particular or limit <= _SAMPLE else (_SAMPLE, None):
        answer = placement.candidates(
            compute.session, wanted, required=traits_of(flavor, wish.numa), limit=limit, in_tree=in_tree, sample=sample
        )
        found = _fitting(compute, row, wish, answer, forced=forced)
        if found.left or (sample is not None and len(found.requests) < sample):
            break  # one of them will do, or there are no more than these
    return found


def _fitting(compute: Compute, row: Row[Any], wish: Wish, answer: dict[str, Any], *, forced: bool) -> Found:
    chain = filters.chain(compute.conf)
    if forced:
        chain = chain[: filters.FORCED]
    summaries = answer["provider_summaries"]
    with compute.db.read() as connection:
        hosts = look_up(compute, connection, row, summaries, placed=wish.numa is not None)
    left, removed = filters.run(chain, hosts, wish, compute.conf)
    requests = {next(iter(one["allocations"])): one for one in answer["allocation_requests"]}
    return Found(requests, left, len(hosts), removed)


def _in_order(compute: Compute, hosts: list[Host]) -> list[Host]:
    """Best first, or one of the best few first as configured."""
    if not hosts:
        return []
    size = min(compute.conf.filter_scheduler.host_subset_size, len(hosts))
    first = random.randrange(size)
    return [hosts[first], *hosts[:first], *hosts[first + 1 :]]


def _held(compute: Compute, row: Row[Any]) -> Claimed | None:
    """The host of a claim made before an interruption. Asked for only when a claim is refused, as its room is taken."""
    held = placement.allocations(compute.session, row.id)["allocations"]
    if not held:
        return None
    provider = next(iter(held))
    with compute.db.read() as connection:
        hosts = look_up(compute, connection, row, {provider: {"resources": {}}})
    if not hosts:
        placement.release(compute.session, row.id)
        raise Retry(_LOST_RACE_S, "The host that was claimed is gone.")
    return Claimed(provider, hosts[0].host, hosts[0].node, hosts[0].zone)


def _lack(compute: Compute, row: Row[Any], total: int, wanted: dict[str, int]) -> str:
    """Counts every host, however many may be looked at for a server: what is said of all has to be true of all."""
    summaries: dict[str, Any] = {}
    for name in wanted:
        found = placement.candidates(compute.session, {name: 1}, required=[], limit=total + _OTHERS)
        summaries |= found["provider_summaries"]
    hosts: list[Host] = []
    parts = list(summaries.items())
    with compute.db.read() as connection:
        for start in range(0, len(parts), _PORTION):
            hosts += look_up(compute, connection, row, dict(parts[start : start + _PORTION]))
    return explanation.of_lack(total, hosts, wanted)
