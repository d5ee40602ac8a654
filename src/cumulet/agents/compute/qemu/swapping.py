"""Another volume in the place of one, while the guest runs: copied by QEMU's mirror job, then taken over in one step.

The record says the other volume only once QEMU uses it. Whoever is interrupted before that finds the job, or the
finished step, in QEMU, and goes on from there. Source: QEMU's QMP reference (blockdev-mirror, block-job-complete).
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from cumulet.agents.compute.folders import Drive, Record
from cumulet.agents.compute.protocols import Disk
from cumulet.agents.compute.qemu import devices, processes, volumes
from cumulet.agents.compute.qemu.host import Host
from cumulet.agents.compute.qemu.monitor import Monitor, MonitorError, MonitorGone

_JOB: Final = "swap-volume"
_MARK: Final = "swapping"  # a file in the guest's directory while the job may run
_COPY_S: Final = 3500.0
_END_S: Final = 60.0
_LOOK_S: Final = 0.05


def swap(host: Host, record: Record, volume_id: str, disk: Disk, name: str) -> None:
    directory = host.folders.of(record.id)
    drive = _drive(record, volume_id, name)
    target = _target(drive, disk, name)
    if drive.node["node-name"] == target.node["node-name"]:
        return
    if drive.readonly or drive.node.get("read-only") or target.node.get("read-only"):
        raise ValueError(f"volume {volume_id} cannot be swapped: one of the two is read-only")
    if processes.pid_of(directory) is None:
        raise ValueError("a volume can be swapped only while the guest runs")
    (directory / _MARK).touch()
    volumes.write_keys(directory, target)
    try:
        with processes.monitor(directory) as monitor:
            if _node_in_use(monitor, drive) != target.node["node-name"]:
                _copy(monitor, drive, target)
            _take_over(host, record, monitor, drive, target)
    finally:
        (directory / _MARK).unlink(missing_ok=True)


def is_done(host: Host, record: Record, volume_id: str, disk: Disk, name: str) -> bool:
    """Whether the guest uses the other volume; what was begun is taken away if it does not."""
    directory = host.folders.of(record.id)
    drive = _drive(record, volume_id, name)
    target = _target(drive, disk, name)
    if drive.node["node-name"] == target.node["node-name"]:
        return True
    if processes.pid_of(directory) is None:
        volumes.forget_keys(directory, target)
        return False
    with processes.monitor(directory) as monitor:
        if _node_in_use(monitor, drive) == target.node["node-name"]:
            _take_over(host, record, monitor, drive, target)
            return True
        _tidy(monitor, target)
    volumes.forget_keys(directory, target)
    return False


def interrupt(directory: Path) -> None:
    """Have a copy that is under way end, for those who wait for the guest."""
    if not (directory / _MARK).exists() or processes.pid_of(directory) is None:
        return
    with contextlib.suppress(MonitorError, MonitorGone, TimeoutError), processes.questions(directory) as monitor:
        monitor.ask("block-job-cancel", device=_JOB, force=True)


def _drive(record: Record, volume_id: str, name: str) -> Drive:
    """Under its name from before or from after."""
    for drive in record.drives:
        if drive.volume_id in (volume_id, name):
            return drive
    raise ValueError(f"volume {volume_id} is not attached")


def _target(drive: Drive, disk: Disk, name: str) -> Drive:
    """The same device, opened as the other volume. The node is named by that one's own id, so the two never collide."""
    target = msgspec.structs.replace(drive, volume_id=name)
    volumes.open_as(target, disk)
    return target


def _node_in_use(monitor: Monitor, drive: Drive) -> str | None:
    """The node that the guest's device reads and writes."""
    for block in monitor.ask("query-block"):
        if drive.id in str(block.get("qdev", "")).split("/"):
            return (block.get("inserted") or {}).get("node-name")
    return None


def _copy(monitor: Monitor, drive: Drive, target: Drive) -> None:
    _tidy(monitor, target)
    try:
        for secret in target.objects:
            monitor.execute("object-add", secret)
        monitor.execute("blockdev-add", target.node)
        names = {"device": _node_in_use(monitor, drive), "target": target.node["node-name"]}
        monitor.ask("blockdev-mirror", job_id=_JOB, sync="full", **names)
        _until_ready(monitor)
        monitor.ask("block-job-complete", device=_JOB)
        _until_ended(monitor)
        if _node_in_use(monitor, drive) != target.node["node-name"]:
            raise RuntimeError("the volume could not be copied to the end")
    except (MonitorError, RuntimeError):
        _tidy(monitor, target)
        raise


def _jobs(monitor: Monitor) -> list[dict[str, Any]]:
    return [job for job in monitor.ask("query-block-jobs") if job["device"] == _JOB]


def _until_ready(monitor: Monitor) -> None:
    """Until both are the same and stay so."""
    deadline = time.monotonic() + _COPY_S
    while True:
        jobs = _jobs(monitor)
        if not jobs:
            raise RuntimeError("the volume could not be copied")
        if jobs[0]["ready"]:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"the volume could not be copied within {_COPY_S:.0f} s")
        time.sleep(_LOOK_S)


def _until_ended(monitor: Monitor) -> None:
    deadline = time.monotonic() + _END_S
    while _jobs(monitor):
        if time.monotonic() > deadline:
            raise RuntimeError("the copy of a volume did not come to its end")
        time.sleep(_LOOK_S)


def _tidy(monitor: Monitor, target: Drive) -> None:
    """What an attempt that was interrupted may have left."""
    if _jobs(monitor):
        with contextlib.suppress(MonitorError):  # it ended by itself just now
            monitor.ask("block-job-cancel", device=_JOB, force=True)
        _until_ended(monitor)
    _forget(monitor, target)


def _forget(monitor: Monitor, drive: Drive) -> None:
    for command, name in (
        ("blockdev-del", {"node_name": drive.node["node-name"]}),
        *(("object-del", {"id": secret["id"]}) for secret in drive.objects),
    ):
        with contextlib.suppress(MonitorError):  # it is not there
            monitor.ask(command, **name)


def _take_over(host: Host, record: Record, monitor: Monitor, drive: Drive, target: Drive) -> None:
    """Close the one that nobody uses any more, and enter the other."""
    former = msgspec.structs.replace(drive)
    _forget(monitor, former)
    drive.node, drive.objects, drive.keys, drive.volume_id = target.node, target.objects, target.keys, target.volume_id
    if drive.limits != target.limits:
        drive.limits = target.limits
        devices.limit(monitor, drive)
    host.folders.save(record)
    volumes.forget_keys(host.folders.of(record.id), former)
