"""VXLAN devices with unicast forwarding from the wanted state (RFC 7348, without its multicast)."""

from __future__ import annotations

from cumulet.agents.network.links import Link
from cumulet.agents.network.netlink import Batch
from cumulet.agents.network.planning.plans import VxlanUplink

ANY_MAC = "00:00:00:00:00:00"


def entries_of(uplink: VxlanUplink) -> frozenset[tuple[str, str]]:
    """(MAC, end point): the all-zero MAC stands for everything that has no entry of its own."""
    return uplink.entries | {(ANY_MAC, end_point) for end_point in uplink.flood}


def create(batch: Batch, subject: str, uplink: VxlanUplink, local_ip: str, port: int, mtu: int, master: int) -> None:
    local = {"vxlan_local6": local_ip} if ":" in local_ip else {"vxlan_local": local_ip}
    batch.link(
        subject,
        "add",
        ifname=uplink.name,
        kind="vxlan",
        vxlan_id=uplink.vni,
        vxlan_port=port,
        # Nothing a guest sends may teach the host where another guest's MAC is.
        vxlan_learning=False,
        mtu=mtu,
        master=master,
        state="up",
        **local,
    )


def is_right(link: Link, uplink: VxlanUplink, local_ip: str, port: int) -> bool:
    """Whether a device can stay; these attributes cannot be changed on an existing one."""
    return (
        link.kind == "vxlan"
        and link.info.get("id") == uplink.vni
        and link.info.get("port") == port
        and link.info.get("local") == local_ip
        and not link.info.get("learning")
    )


def forward(batch: Batch, subject: str, index: int, have: set[tuple[str, str]], want: set[tuple[str, str]]) -> None:
    """Bring a device's forwarding from `have` to `want`. Entries that move are removed before they are added."""
    for mac, end_point in sorted(have - want):
        batch.fdb(subject, "del", ifindex=index, lladdr=mac, dst=end_point)
    for mac, end_point in sorted(want - have):
        batch.fdb(subject, "append" if mac == ANY_MAC else "add", ifindex=index, lladdr=mac, dst=end_point)
