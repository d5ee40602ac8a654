"""Disks and cards put in and taken out, also while the guest runs. The record says first what is to be there."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any, Final

from cumulet.agents.compute import taps
from cumulet.agents.compute.folders import Drive, Record
from cumulet.agents.compute.protocols import Disk
from cumulet.agents.compute.qemu import building, devices, power, processes, volumes
from cumulet.agents.compute.qemu.host import Host
from cumulet.agents.compute.qemu.monitor import Monitor, MonitorError

_UNPLUG_S: Final = 45.0
_ASK_AGAIN_S: Final = 5.0
_GROW_S: Final = 20.0
GB: Final = 1 << 30


def attach_volume(host: Host, record: Record, disk: Disk) -> None:
    directory = _changeable(host, record)
    known = any(drive.volume_id == disk.volume_id for drive in record.drives)
    drive = building.add_volume(host, record, disk)
    volumes.write_keys(directory, drive)
    host.folders.save(record)
    if processes.pid_of(directory) is None:
        return
    try:
        with processes.monitor(directory) as monitor:
            devices.plug_disk(monitor, drive, record)
    except BaseException:
        if not known:
            record.drives.remove(drive)
            host.folders.save(record)
        raise


def _changeable(host: Host, record: Record) -> Path:
    directory = host.folders.of(record.id)
    if (directory / power.MEMORY).exists():
        raise ValueError("a suspended guest's devices cannot be changed; resume it first")
    return directory


def detach_volume(host: Host, record: Record, volume_id: str) -> None:
    directory = _changeable(host, record)
    drive = next((one for one in record.drives if one.volume_id == volume_id), None)
    if drive is None:
        return
    if processes.pid_of(directory) is not None:
        with processes.monitor(directory) as monitor:
            _unplug(monitor, drive.id)
            _forget_node(monitor, drive)
    record.drives.remove(drive)
    host.folders.save(record)
    volumes.forget_keys(directory, drive)


def _forget_node(monitor: Monitor, drive: Drive) -> None:
    nodes = {node["node-name"] for node in monitor.ask("query-named-block-nodes", flat=True)}
    if drive.node["node-name"] in nodes:
        monitor.ask("blockdev-del", node_name=drive.node["node-name"])
    for secret in drive.objects:
        with contextlib.suppress(MonitorError):
            monitor.ask("object-del", id=secret["id"])


def _unplug(monitor: Monitor, device: str) -> None:
    """Have the guest let go of a device; asked again, because one that is starting does not listen."""
    deadline = time.monotonic() + _UNPLUG_S
    while devices.has_device(monitor, device):
        if time.monotonic() > deadline:
            raise RuntimeError("the guest does not let go of the device; it may be in use, or not started yet")
        try:
            monitor.ask("device_del", id=device)
        except MonitorError as error:
            if error.kind == "DeviceNotFound":
                return
            if "process of unplug" not in error.description:
                raise
        monitor.event(
            lambda event: event["event"] == "DEVICE_DELETED" and event["data"].get("device") == device,
            within_s=min(_ASK_AGAIN_S, max(0.1, deadline - time.monotonic())),
        )


def extend_volume(host: Host, record: Record, volume_id: str, size_gb: int) -> None:
    """Tell a running guest; one that is off finds out at its start. What serves the disk may need a moment."""
    directory = host.folders.of(record.id)
    drive = next((one for one in record.drives if one.volume_id == volume_id), None)
    if drive is None:
        raise ValueError(f"volume {volume_id} is not attached")
    if processes.pid_of(directory) is None:
        return
    deadline = time.monotonic() + _GROW_S
    while True:
        try:
            with processes.monitor(directory) as monitor:
                monitor.ask("block_resize", node_name=_node_now(monitor, drive), size=size_gb * GB)
            return
        except MonitorError:
            if time.monotonic() > deadline:
                raise
        _have_it_read(directory, drive)
        time.sleep(0.5)


def _have_it_read(directory: Path, drive: Drive) -> None:
    """An NBD client learns of a new size when it connects again, and it does so at its next request: of an idle guest
    there is none."""
    with contextlib.suppress(MonitorError), processes.monitor(directory) as monitor:
        command = f'qemu-io {_node_now(monitor, drive)} "read 0 512"'
        monitor.ask("human-monitor-command", command_line=command)


def _node_now(monitor: Monitor, drive: Drive) -> str:
    block = devices.block_of(monitor, drive.id)
    return str(drive.node["node-name"] if block is None else block["node-name"])


def attach_interface(host: Host, record: Record, vif: dict[str, Any]) -> None:
    directory = _changeable(host, record)
    known = any(card.port_id == vif["id"] for card in record.cards)
    card = building.add_card(host, record, vif)
    host.folders.save(record)
    taps.ensure(host.config.host_namespace, card.port_id, card.mtu, queues=card.queues)
    host.hold_cards(record)
    if processes.pid_of(directory) is None:
        return
    try:
        with processes.monitor(directory) as monitor:
            devices.plug_card(monitor, card, record)
    except BaseException:
        if not known:
            record.cards.remove(card)
            host.folders.save(record)
            taps.remove(host.config.host_namespace, card.port_id)
        raise


def detach_interface(host: Host, record: Record, port_id: str) -> None:
    directory = _changeable(host, record)
    card = next((one for one in record.cards if one.port_id == port_id), None)
    if card is not None:
        if processes.pid_of(directory) is not None:
            with processes.monitor(directory) as monitor:
                _unplug(monitor, f"nic-{port_id}")
                with contextlib.suppress(MonitorError):
                    monitor.ask("netdev_del", id=f"net-{port_id}")
        record.cards.remove(card)
        host.folders.save(record)
    taps.remove(host.config.host_namespace, port_id)
    host.hold_cards(record)
