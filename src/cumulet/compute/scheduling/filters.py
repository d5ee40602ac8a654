"""The original's filters by name: each says of one host why it does not do, or nothing (Nova, Compute schedulers)."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from oslo_config import cfg

from cumulet.agents.compute import numa
from cumulet.compute.scheduling.hosts import Host, Wish

log = logging.getLogger(__name__)

Removed = list[tuple[str, dict[str, str]]]
"""What each filter removed: [(filter, {node: why})]"""
Filter = Callable[[Host, Wish, cfg.ConfigOpts], str | None]
_ARCHES: Final = {"amd64": "x86_64", "arm64": "aarch64", "i386": "i686"}


def _all_hosts(host: Host, wish: Wish, conf: cfg.ConfigOpts) -> str | None:
    return None


def _compute(host: Host, wish: Wish, conf: cfg.ConfigOpts) -> str | None:
    if not host.enabled:
        return f"is disabled: {host.disabled_reason}" if host.disabled_reason else "is disabled"
    return None if host.up else "does not report any more"


def _zone(host: Host, wish: Wish, conf: cfg.ConfigOpts) -> str | None:
    if wish.zone is not None and host.zone != wish.zone:
        return f"is in availability zone {host.zone}, not {wish.zone}"
    return None


def _named(host: Host, wish: Wish, conf: cfg.ConfigOpts) -> str | None:
    if (wish.host is not None and host.host != wish.host) or (wish.node is not None and host.node != wish.node):
        return "is not the host that was asked for"
    return None


def _elsewhere(host: Host, wish: Wish, conf: cfg.ConfigOpts) -> str | None:
    return "is the host it is to leave" if host.host in wish.excluded else None


def _image_properties(host: Host, wish: Wish, conf: cfg.ConfigOpts) -> str | None:
    arch = wish.image_properties.get("hw_architecture") or wish.image_properties.get("architecture")
    arches = host.facts.get("arches")
    if arch and arches and _ARCHES.get(str(arch), arch) not in arches:
        return f"has no guests of architecture {arch}"
    kind = wish.image_properties.get("img_hv_type") or wish.image_properties.get("hypervisor_type")
    own = host.facts.get("hypervisor_types")
    if kind and own and str(kind).lower() not in own:
        return f"is no hypervisor of type {kind}"
    return None


def _capabilities(host: Host, wish: Wish, conf: cfg.ConfigOpts) -> str | None:
    """Extra specs `capabilities:<fact>`: the fact must be equal."""
    for key, wanted in wish.extra_specs.items():
        name = key.removeprefix("capabilities:")
        if name != key and str(host.facts.get(name)) != wanted:
            return f"does not have {name} {wanted}"
    return None


def _apart(host: Host, wish: Wish, conf: cfg.ConfigOpts) -> str | None:
    if wish.policy == "anti-affinity" and host.members >= wish.most_per_host:
        return f"has {host.members} of the server group already"
    return None


def _together(host: Host, wish: Wish, conf: cfg.ConfigOpts) -> str | None:
    if wish.policy == "affinity" and not wish.group_is_empty and host.members == 0:
        return "has none of the server group"
    return None


def _same_host(host: Host, wish: Wish, conf: cfg.ConfigOpts) -> str | None:
    if wish.wants_same and host.host not in wish.same_as:
        return "does not have the servers of hint same_host"
    return None


def _different_host(host: Host, wish: Wish, conf: cfg.ConfigOpts) -> str | None:
    return "has a server of hint different_host" if host.host in wish.apart_from else None


def _instances(host: Host, wish: Wish, conf: cfg.ConfigOpts) -> str | None:
    most = conf.filter_scheduler.max_instances_per_host
    return f"has {host.servers} servers, of at most {most}" if host.servers >= most else None


def _io_ops(host: Host, wish: Wish, conf: cfg.ConfigOpts) -> str | None:
    most = conf.filter_scheduler.max_io_ops_per_host
    return f"works on {host.busy} servers, of at most {most} at once" if host.busy >= most else None


def _aggregate_specs(host: Host, wish: Wish, conf: cfg.ConfigOpts) -> str | None:
    """Extra specs `aggregate_instance_extra_specs:<key>`: some aggregate of the host has the key with that value."""
    for key, wanted in wish.extra_specs.items():
        name = key.removeprefix("aggregate_instance_extra_specs:")
        if name != key and not any(metadata.get(name) == wanted for metadata in host.metadata):
            return f"is in no aggregate with {name} {wanted}"
    return None


def _tenant_isolation(host: Host, wish: Wish, conf: cfg.ConfigOpts) -> str | None:
    """A host whose aggregates name projects (`filter_tenant_id…`) takes only those."""
    allowed = {
        project.strip()
        for metadata in host.metadata
        for key, value in metadata.items()
        if key.startswith("filter_tenant_id")
        for project in value.split(",")
    }
    return "is kept for other projects" if allowed and wish.project_id not in allowed else None


def _numa(host: Host, wish: Wish, conf: cfg.ConfigOpts) -> str | None:
    """NUMA nodes, huge pages and processors of its own, beside what servers have that were sent there just now."""
    if wish.numa is None:
        return None
    if "numa" not in host.facts:
        return "does not tell of its NUMA nodes"
    cells = msgspec.convert(host.facts["numa"], numa.HostNuma, str_keys=True).cells
    for other in host.coming:
        with contextlib.suppress(numa.Misfit):  # it is refused there
            numa.take(cells, other, numa.fit(other, cells))
    try:
        numa.fit(wish.numa, cells)
    except numa.Misfit as error:
        return str(error)
    return None


FILTERS: Final[dict[str, Filter]] = {
    "AllHostsFilter": _all_hosts,
    "ComputeFilter": _compute,
    "AvailabilityZoneFilter": _zone,
    "ImagePropertiesFilter": _image_properties,
    "ComputeCapabilitiesFilter": _capabilities,
    "ServerGroupAntiAffinityFilter": _apart,
    "ServerGroupAffinityFilter": _together,
    "SameHostFilter": _same_host,
    "DifferentHostFilter": _different_host,
    "NumInstancesFilter": _instances,
    "NUMATopologyFilter": _numa,
    "IoOpsFilter": _io_ops,
    "AggregateInstanceExtraSpecsFilter": _aggregate_specs,
    "AggregateMultiTenancyIsolation": _tenant_isolation,
}
_ALWAYS: Final = (("requested host", _named), ("host to leave", _elsewhere), ("AvailabilityZoneFilter", _zone))
FORCED: Final = 2
"""How many of a chain count for a host that is forced."""


def chain(conf: cfg.ConfigOpts) -> list[tuple[str, Filter]]:
    """The filters that are switched on; the requested host and zone always count."""
    found: list[tuple[str, Filter]] = list(_ALWAYS)
    for name in conf.filter_scheduler.enabled_filters:
        if name in FILTERS:
            found.append((name, FILTERS[name]))
        else:
            log.warning("[filter_scheduler] enabled_filters: there is no %s here; it removes no host", name)
    if "NUMATopologyFilter" not in conf.filter_scheduler.enabled_filters:
        found.append(("NUMATopologyFilter", _numa))  # a host could but refuse
    return found


def run(
    filters: Sequence[tuple[str, Filter]], hosts: list[Host], wish: Wish, conf: cfg.ConfigOpts
) -> tuple[list[Host], Removed]:
    """(hosts left, what each filter removed: [(filter, {node: why})])"""
    removed: list[tuple[str, dict[str, Any]]] = []
    for name, check in filters:
        refused = {}
        left = []
        for host in hosts:
            why = check(host, wish, conf)
            if why is None:
                left.append(host)
            else:
                refused[host.node] = why
        if refused:
            removed.append((name, refused))
        hosts = left
    return hosts, removed
