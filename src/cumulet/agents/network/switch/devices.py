"""Ports' devices: taps, veth pairs, and those that somebody else makes."""

from __future__ import annotations

import fcntl
import os
import re
import struct

from cumulet.agents.network import netns
from cumulet.agents.network.handles import Handles
from cumulet.agents.network.links import Link
from cumulet.agents.network.netlink import Batch
from cumulet.agents.network.planning.plans import DevicePlan

PORT_DEVICE = re.compile(r"tap[0-9a-f]{8}-[0-9a-f]{2}\Z")

_TUNSETIFF, _TUNSETPERSIST = 0x400454CA, 0x400454CB
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000


def create_tap(namespace: str | None, name: str) -> None:
    """A persistent tap, which a hypervisor opens by its name. OSError EBUSY if one is opened already."""
    with netns.inside(namespace):
        tun = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        request = struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR)
        fcntl.ioctl(tun, _TUNSETIFF, request)
        fcntl.ioctl(tun, _TUNSETPERSIST, 1)
    finally:
        os.close(tun)


def outer_mac(mac: str) -> str:
    """The host's end gets the port's MAC with the highest first octet, so that a bridge never takes it for its own."""
    return "fe" + mac[2:]


def create_veth(batch: Batch, device: DevicePlan, namespace_fd: int | None, master: int) -> None:
    """A pair in one request: the outer end in the bridge and up, the inner one in its namespace with the port's MAC."""
    peer: dict[str, object] = {"ifname": device.peer, "address": device.mac, "mtu": device.mtu}
    if namespace_fd is not None:
        peer["net_ns_fd"] = namespace_fd
    batch.link(
        device.port_id,
        "add",
        ifname=device.name,
        kind="veth",
        peer=peer,
        mtu=device.mtu,
        address=outer_mac(device.mac),
        master=master,
        state="up" if device.up else "down",
    )


def create_vlan(batch: Batch, device: DevicePlan, parent: Link, master: int) -> None:
    """The part of a trunk that has one tag, in the bridge and up."""
    batch.link(
        device.port_id,
        "add",
        ifname=device.name,
        kind="vlan",
        link=parent.index,
        vlan_id=device.vlan,
        mtu=device.mtu,
        address=outer_mac(device.mac),
        master=master,
        state="up" if device.up else "down",
    )


def is_part_of(link: Link, device: DevicePlan, parent: Link | None) -> bool:
    """Whether a device is the part of `parent` that it is planned to be."""
    return parent is not None and link.kind == "vlan" and link.parent == parent.index and link.info["id"] == device.vlan


def adjustments(device: DevicePlan, link: Link, master: int, alias: str | None) -> dict[str, object]:
    """What must be set on an existing device for it to be as planned; empty if it is."""
    wanted: dict[str, object] = {}
    if link.master != master:
        wanted["master"] = master
    if link.mtu != device.mtu:
        wanted["mtu"] = device.mtu
    if link.up != device.up:
        wanted["state"] = "up" if device.up else "down"
    if alias is not None and link.alias != alias:
        wanted["ifalias"] = alias
    return wanted


def inner_end_is_right(handles: Handles, device: DevicePlan) -> bool:
    """Whether a veth's other end is in its namespace, under its name and with the port's MAC."""
    if device.namespace is None or device.peer is None:
        return True
    try:
        inner = handles.netlink(device.namespace).link(device.peer)
    except FileNotFoundError:
        return False
    return inner is not None and inner.mac == device.mac
