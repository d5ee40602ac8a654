"""Agents and their schedules, metering, address counts, RBAC policies, flavors."""

from __future__ import annotations

from cumulet.kernel.http import Route
from cumulet.network.crud import crud
from cumulet.network.handlers import agents, catalog, flavors, metering, rbac

ROUTES = (
    Route("GET", "/v2.0/agents", agents.NOUN.index),
    Route("GET", "/v2.0/agents/{agent_id}", agents.NOUN.show),
    Route("PUT", "/v2.0/agents/{agent_id}", agents.NOUN.update),
    Route("DELETE", "/v2.0/agents/{agent_id}", agents.NOUN.delete),
    Route("GET", "/v2.0/agents/{agent_id}/dhcp-networks", agents.dhcp_networks),
    Route("POST", "/v2.0/agents/{agent_id}/dhcp-networks", agents.add_dhcp_network),
    Route("DELETE", "/v2.0/agents/{agent_id}/dhcp-networks/{network_id}", agents.remove_dhcp_network),
    Route("GET", "/v2.0/networks/{network_id}/dhcp-agents", agents.dhcp_agents),
    Route("GET", "/v2.0/agents/{agent_id}/l3-routers", agents.l3_routers),
    Route("POST", "/v2.0/agents/{agent_id}/l3-routers", agents.add_l3_router),
    Route("DELETE", "/v2.0/agents/{agent_id}/l3-routers/{router_id}", agents.remove_l3_router),
    Route("GET", "/v2.0/routers/{router_id}/l3-agents", agents.l3_agents),
    Route("GET", "/v2.0/availability_zones", catalog.availability_zones),
    Route("GET", "/v2.0/service-providers", catalog.service_providers),
    Route("GET", "/v2.0/floatingip-pools", catalog.floating_ip_pools),
    Route("GET", "/v2.0/network-ip-availabilities", catalog.availabilities),
    Route("GET", "/v2.0/network-ip-availabilities/{network_id}", catalog.availability_of),
    *crud("/v2.0/metering/metering-labels", metering.LABELS),
    *crud("/v2.0/metering/metering-label-rules", metering.RULES),
    *crud("/v2.0/rbac-policies", rbac.NOUN),
    *crud("/v2.0/flavors", flavors.FLAVORS),
    Route("GET", "/v2.0/flavors/{flavor_id}/service_profiles", flavors.profiles),
    Route("POST", "/v2.0/flavors/{flavor_id}/service_profiles", flavors.bind),
    Route("DELETE", "/v2.0/flavors/{flavor_id}/service_profiles/{profile_id}", flavors.unbind),
    Route("GET", "/v2.0/flavors/{flavor_id}/next_providers", flavors.next_providers),
    *crud("/v2.0/service_profiles", flavors.PROFILES),
)
