"""Finding a host and taking it: one PUT of allocations decides, so two servers never get the same room."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.compute.clients import placement
from cumulet.compute.scheduling import explanation, filters, weighers
from cumulet.compute.scheduling.hosts import Host, Wish, look_up, wish_of
from cumulet.compute.service import Compute
from cumulet.compute.tables import compute_nodes
from cumulet.kernel.jobs import GiveUp, Retry

_LOST_RACE_S = 0.2
_SAMPLE = 100
NO_VALID_HOST = "No valid host was found."


class Claimed(NamedTuple):
    provider: str
    host: str
    node: str
    zone: str


def resources_of(flavor: dict[str, Any], *, local_root: bool = True) -> dict[str, int]:
    """What a server takes of a host, by resource class; a root disk that is a volume takes nothing of it."""
    disk = (flavor["disk"] if local_root else 0) + flavor["ephemeral"] + -(-flavor["swap"] // 1024)
    wanted = {"VCPU": flavor["vcpus"], "MEMORY_MB": flavor["ram"], "DISK_GB": disk}
    for key, value in flavor["extra_specs"].items():
        name = key.removeprefix("resources:")
        if name != key and value.isdigit():
            wanted[name] = int(value)
    return {name: amount for name, amount in wanted.items() if amount}


def traits_of(flavor: dict[str, Any]) -> list[str]:
    """Traits a flavor requires (`trait:NAME=required`) or forbids."""
    found = []
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
    session, wanted = compute.session, resources_of(flavor, local_root=row.image_id is not None)
    held = placement.allocations(session, row.id)["allocations"]
    if held:
        return _of_provider(compute, row, next(iter(held)))
    limit = compute.conf.scheduler.max_placement_results
    with compute.db.read() as connection:
        total = int(connection.execute(sa.select(sa.func.count()).select_from(compute_nodes)).scalar_one())
        wish = wish_of(connection, row, place, flavor)
        tree = _named(connection, wish) if total > limit else None
    found = placement.candidates(session, wanted, required=traits_of(flavor), limit=limit, in_tree=tree)
    left, seen, removed = _fitting(compute, row, wish, found["provider_summaries"], forced=bool(place.get("forced")))
    if not seen:
        raise GiveUp(f"{NO_VALID_HOST} {_lack(compute, row, total, wanted)}")
    if not left:
        raise GiveUp(f"{NO_VALID_HOST} {explanation.of_filters(total, seen, removed)}")
    requests = {next(iter(one["allocations"])): one for one in found["allocation_requests"]}
    for host in _in_order(compute, weighers.best_first(left, wish, compute.conf)):
        request = requests.get(host.provider)
        if request is not None and placement.claim(
            session, row.id, request, project_id=row.project_id, user_id=row.user_id
        ):
            return Claimed(host.provider, host.host, host.node, host.zone)
    raise Retry(_LOST_RACE_S, "Other servers took the room that was found.")


def _named(connection: Connection, wish: Wish) -> str | None:
    """The provider of the host that was asked for: among very many, Placement might leave it out."""
    wanted = [
        column == name
        for column, name in ((compute_nodes.c.host, wish.host), (compute_nodes.c.hypervisor_hostname, wish.node))
        if name is not None
    ]
    if not wanted:
        return None
    return connection.execute(sa.select(compute_nodes.c.id).where(*wanted).limit(1)).scalar()


def _fitting(
    compute: Compute, row: Row[Any], wish: Wish, summaries: dict[str, Any], *, forced: bool
) -> tuple[list[Host], int, filters.Removed]:
    """(hosts that pass the filters, how many were looked at, what each filter removed).

    Of very many candidates some are looked at, chosen at random, and the rest only if none of those will do: so the
    work for a server does not grow with the number of hosts, and the load spreads as well.
    """
    chain = filters.chain(compute.conf)
    if forced:
        chain = chain[: filters.FORCED]
    chosen = dict(summaries)
    particular = wish.host or wish.node or wish.policy or wish.wants_same
    if len(summaries) > _SAMPLE and not particular:
        chosen = {provider: summaries[provider] for provider in random.sample(list(summaries), _SAMPLE)}
    for some in (chosen, summaries):
        with compute.db.read() as connection:
            hosts = look_up(compute, connection, row, some)
        left, removed = filters.run(chain, hosts, wish, compute.conf)
        if left or len(some) == len(summaries):
            break
    return left, len(hosts), removed


def _in_order(compute: Compute, hosts: list[Host]) -> list[Host]:
    """Best first, or one of the best few first as configured."""
    size = min(compute.conf.filter_scheduler.host_subset_size, len(hosts))
    first = random.randrange(size)
    return [hosts[first], *hosts[:first], *hosts[first + 1 :]]


def _of_provider(compute: Compute, row: Row[Any], provider: str) -> Claimed:
    """The host of a claim made before an interruption."""
    with compute.db.read() as connection:
        hosts = look_up(compute, connection, row, {provider: {"resources": {}}})
    if not hosts:
        placement.release(compute.session, row.id)
        raise Retry(_LOST_RACE_S, "The host that was claimed is gone.")
    return Claimed(provider, hosts[0].host, hosts[0].node, hosts[0].zone)


def _lack(compute: Compute, row: Row[Any], total: int, wanted: dict[str, int]) -> str:
    summaries: dict[str, Any] = {}
    for name in wanted:
        found = placement.candidates(
            compute.session, {name: 1}, required=[], limit=compute.conf.scheduler.max_placement_results
        )
        summaries |= found["provider_summaries"]
    with compute.db.read() as connection:
        hosts = look_up(compute, connection, row, summaries)
    return explanation.of_lack(total, hosts, wanted)
