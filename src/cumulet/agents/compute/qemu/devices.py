"""Devices put into a machine that is there already."""

from __future__ import annotations

import contextlib
from typing import Any

from cumulet.agents.compute.folders import Card, Drive, Record
from cumulet.agents.compute.qemu import command, limits
from cumulet.agents.compute.qemu.monitor import Monitor, MonitorError


def plug_disk(monitor: Monitor, drive: Drive, record: Record) -> None:
    if not has_device(monitor, drive.id):
        _plug_disk(monitor, drive, record)
    if drive.limits:
        limit(monitor, drive)


def _plug_disk(monitor: Monitor, drive: Drive, record: Record) -> None:
    nodes = {node["node-name"] for node in monitor.ask("query-named-block-nodes", flat=True)}
    if drive.node["node-name"] not in nodes:
        for secret in drive.objects:
            with contextlib.suppress(MonitorError):  # there from an attempt that was interrupted
                monitor.execute("object-add", secret)
        monitor.execute("blockdev-add", drive.node)
    try:
        monitor.execute("device_add", command.device_of(drive, record))
    except MonitorError:
        monitor.ask("blockdev-del", node_name=drive.node["node-name"])
        raise


def limit(monitor: Monitor, drive: Drive) -> None:
    """Hold a disk that is plugged in to its limits, or to none any more."""
    block = _block(monitor, drive.id)
    if block is not None:
        monitor.execute("block_set_io_throttle", {**limits.NONE, **drive.limits, "id": block["qdev"]})


def block_of(monitor: Monitor, device: str) -> dict[str, Any] | None:
    """What a disk reads and writes now, as `query-block` tells it (`node-name`, `image`): another node than it was
    plugged in with after a snapshot of its volume. None when it is not plugged in."""
    block = _block(monitor, device)
    return None if block is None else block["inserted"]


def _block(monitor: Monitor, device: str) -> dict[str, Any] | None:
    place = f"/machine/peripheral/{device}/"
    for block in monitor.ask("query-block"):
        if "inserted" in block and (block.get("qdev", "") + "/").startswith(place):
            found: dict[str, Any] = block
            return found
    return None


def has_device(monitor: Monitor, device: str) -> bool:
    return any(entry["name"] == device for entry in monitor.ask("qom-list", path="/machine/peripheral"))


def plug_card(monitor: Monitor, card: Card, record: Record) -> None:
    if has_device(monitor, f"nic-{card.port_id}"):
        return
    with contextlib.suppress(MonitorError):  # left from an attempt that was interrupted
        monitor.ask("netdev_del", id=f"net-{card.port_id}")
    monitor.execute("netdev_add", command.backend_of(card))
    try:
        monitor.execute("device_add", command.card_device(card, record))
    except MonitorError:
        monitor.ask("netdev_del", id=f"net-{card.port_id}")
        raise
