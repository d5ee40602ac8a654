"""Looking after hosts: what the dead ones served goes to others, and what nobody asks about any more is forgotten."""

from __future__ import annotations

from typing import Final

from cumulet.kernel.jobs import Job, JobRegistry
from cumulet.network.domain import dhcp, generations, router_hosts
from cumulet.network.service import Network

_LOOK_S: Final = 10.0
_PURGE_S: Final = 600.0
_KEPT_S: Final = 3600


def register(registry: JobRegistry) -> None:
    registry.periodic("reschedule", _LOOK_S, reschedule)
    registry.periodic("purge-changes", _PURGE_S, purge)


def reschedule(job: Job, network: Network) -> None:
    replace_dead(network, scheduled=True)


def replace_dead(network: Network, *, scheduled: bool) -> None:
    """Give what is not served to live hosts, one object a transaction."""
    with network.db.read() as connection:
        networks = dhcp.unserved(network, connection, scheduled=scheduled)
        routers = router_hosts.unserved(network, connection, scheduled=scheduled)
    for network_id in networks:
        with network.write() as connection:
            dhcp.refresh(network, connection, network_id)
    for router_id in routers:
        with network.write() as connection:
            router_hosts.refresh(network, connection, router_id)


def purge(job: Job, network: Network) -> None:
    with network.db.write() as connection:
        generations.purge(connection, network.now() - _KEPT_S * 1_000_000)
