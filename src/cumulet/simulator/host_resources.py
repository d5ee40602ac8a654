"""What a simulated host has."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cumulet.agents.compute.numa import HostCell, HostNuma, numbers
from cumulet.agents.compute.protocols import Resources


def default_resources(
    *,
    vcpus: int = 64,
    memory_mb: int = 262_144,
    local_gb: int = 4096,
    nodes: int = 1,
    dedicated: str = "",
    pages: Mapping[int, int] | None = None,
) -> Resources:
    """A large host, in so many equal NUMA nodes.

    `dedicated`: processors that are set aside, as [compute] cpu_dedicated_set says it. `pages`: how many large pages
    each node has, by their size in KB.
    """
    own, large = numbers(dedicated), dict(pages or {})
    usual_mb = memory_mb // nodes - sum(size * count for size, count in large.items()) // 1024
    cells = []
    for node in range(nodes):
        here = range(vcpus * node // nodes, vcpus * (node + 1) // nodes)
        shared, set_aside = [cpu for cpu in here if cpu not in own], [cpu for cpu in here if cpu in own]
        cells.append(HostCell(node, usual_mb, shared, set_aside, [], dict(large)))
    there = HostNuma(cells, [], sum(len(cell.own) for cell in cells))
    return Resources(
        vcpus=vcpus - there.pcpus,
        memory_mb=memory_mb,
        local_gb=local_gb,
        hypervisor_type="simulated",
        hypervisor_version=1000,
        host_ip="127.0.0.1",
        cpu_info={"arch": "x86_64", "model": "simulated", "topology": {"sockets": 1, "cores": vcpus, "threads": 1}},
        facts={"arches": ["x86_64", "aarch64"], "numa": msgspec.to_builtins(there, str_keys=True)},
    )
