"""A guest's root disk as an image: copied at one moment while the guest runs, then uploaded."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Final

from cumulet.agents.compute.folders import Record
from cumulet.agents.compute.qemu import disks, guest_agent, processes
from cumulet.agents.compute.qemu.host import Host
from cumulet.agents.compute.qemu.monitor import Monitor, MonitorError
from cumulet.agents.compute.run import image_tool

_COPY_S: Final = 3600.0
_NAME: Final = "snapshot"
_FORMATS: Final = {"qcow2": "qcow2", "raw": "raw", "vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx"}


def take(host: Host, record: Record, image_id: str) -> None:
    shown = host.images.show(image_id)
    if shown.get("status") == "active":
        return
    root = next((drive for drive in record.drives if drive.id == "disk-root"), None)
    if root is None:
        raise ValueError("the guest has no local root disk to take a snapshot of")
    disk_format = str(shown.get("disk_format") or "qcow2")
    if disk_format in ("ami", "iso"):
        disk_format = "qcow2"
    directory = host.folders.of(record.id)
    copy, ready = directory / f"{_NAME}.qcow2", directory / f"{_NAME}.{disk_format}"
    try:
        if processes.pid_of(directory) is not None:
            _copy_running(directory, copy, record)
        else:
            image_tool("convert", "-f", "qcow2", "-O", "qcow2", directory / disks.ROOT, copy)
        if ready != copy:
            image_tool("convert", "-f", "qcow2", "-O", _FORMATS.get(disk_format, "raw"), copy, ready)
            copy.unlink()
        host.images.service.write(image_id, ready, disk_format=disk_format)
    finally:
        copy.unlink(missing_ok=True)
        ready.unlink(missing_ok=True)


def _copy_running(directory: Path, copy: Path, record: Record) -> None:
    """The guest goes on while what was on its disk at this moment is copied."""
    with processes.monitor(directory) as monitor:
        _forget(monitor)
        nodes = monitor.ask("query-named-block-nodes", flat=True)
        size = next(node["image"]["virtual-size"] for node in nodes if node["node-name"] == "root")
        image_tool("create", "-q", "-f", "qcow2", copy, str(size))
        monitor.execute("blockdev-add", disks.flat_node(copy.name, _NAME, kind="qcow2"))
        try:
            with guest_agent.frozen(directory, record):
                monitor.ask("blockdev-backup", job_id=_NAME, device="root", target=_NAME, sync="full")
        except BaseException:
            _forget(monitor)
            raise
    deadline = time.monotonic() + _COPY_S
    while True:  # asked on connections of their own, so that the guest can be worked on meanwhile
        with processes.questions(directory) as monitor:
            jobs = [job for job in monitor.ask("query-block-jobs") if job["device"] == _NAME]
            if not jobs:
                break
        if time.monotonic() > deadline:
            raise RuntimeError("the copy of the guest's disk did not end in time")
        time.sleep(0.1)
    with processes.monitor(directory) as monitor:
        failed = monitor.event(
            lambda event: event["event"] == "BLOCK_JOB_COMPLETED" and event["data"].get("error"), within_s=0.01
        )
        monitor.ask("blockdev-del", node_name=_NAME)
    if failed is not None:
        raise RuntimeError(f"the guest's disk could not be copied: {failed['data']['error']}")


def _forget(monitor: Monitor) -> None:
    """What a snapshot that was interrupted has left."""
    with contextlib.suppress(MonitorError):
        monitor.ask("block-job-cancel", device=_NAME, force=True)
        monitor.event(lambda event: event["event"] == "BLOCK_JOB_CANCELLED", within_s=5.0)
    with contextlib.suppress(MonitorError):
        monitor.ask("blockdev-del", node_name=_NAME)
