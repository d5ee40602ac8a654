"""Where the metadata address is answered, and for whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cumulet.agents.network.planning.dhcp import needs_metadata
from cumulet.agents.network.planning.plans import DhcpPlan, MetadataInstance, MetadataPlan, RouterPlan
from cumulet.agents.network.planning.ports import link_local
from cumulet.agents.network.planning.view import View


def plan_metadata(
    view: View, dhcp: Mapping[str, DhcpPlan], routers: Mapping[str, RouterPlan]
) -> dict[str, MetadataPlan]:
    """By namespace: every router answers for the networks behind it, a DHCP server where no router does."""
    plans = [_of_router(view, router) for router in routers.values() if router.interfaces]
    for server in dhcp.values():
        subnets = view.subnets_of[server.network_id]
        if any(needs_metadata(view, subnet) for subnet in subnets):
            plans.append(_of_dhcp(view, server))
    return {plan.namespace: plan for plan in plans}


def _of_router(view: View, router: RouterPlan) -> MetadataPlan:
    networks = {view.port(device.port_id).network_id for device in router.interfaces}
    return MetadataPlan(
        namespace=router.namespace,
        device=None,
        # Two hosts of an HA router would answer for the same link-local address.
        link_local_devices=() if router.ha else tuple(device.name for device in router.interfaces),
        network_id=None,
        router_id=router.router_id,
        instances=_instances(view, sorted(networks)),
    )


def _of_dhcp(view: View, server: DhcpPlan) -> MetadataPlan:
    return MetadataPlan(
        namespace=server.namespace,
        device=server.device,
        link_local_devices=(server.device,),
        network_id=server.network_id,
        router_id=None,
        instances=_instances(view, [server.network_id]),
    )


def _instances(view: View, network_ids: Iterable[str]) -> tuple[tuple[str, MetadataInstance], ...]:
    """Addresses of ports that belong to a server: those the compute service owns."""
    found: dict[str, MetadataInstance] = {}
    for network_id in network_ids:
        for endpoint in view.endpoints_of[network_id]:
            if not endpoint.device_id or not endpoint.device_owner.startswith(("compute:", "baremetal:")):
                continue
            instance = MetadataInstance(instance_id=endpoint.device_id, project_id=endpoint.project_id)
            found |= {fixed.ip_address: instance for fixed in endpoint.fixed_ips}
            # Over IPv6 the metadata address is on the link, and a guest asks from its link-local address.
            found[str(link_local(endpoint.mac_address))] = instance
    return tuple(sorted(found.items(), key=lambda item: item[0]))
