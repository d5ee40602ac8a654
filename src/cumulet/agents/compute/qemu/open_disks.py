"""Volumes that guests of this host have open as files: a new layer on top while the guest runs, or an export instead.

Both are asked for by the volume agent (agents.volume.protocols, OpenDisks) and done under the guest's lock, so that no
guest is started or moved meanwhile. Sources: QEMU's QMP reference (blockdev-snapshot-sync, drive-mirror, job-complete).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from cumulet.agents.compute.folders import Drive, Record
from cumulet.agents.compute.protocols import Disk
from cumulet.agents.compute.qemu import devices, processes, volumes
from cumulet.agents.compute.qemu.host import Host
from cumulet.agents.compute.qemu.monitor import Monitor, MonitorError

_LOCK_S: Final = 60.0
_COPY_S: Final = 600.0


class _Found(NamedTuple):
    record: Record
    drive: Drive
    directory: Path


class OpenDisks:
    """Raises MonitorError, MonitorGone, TimeoutError, RuntimeError when a guest does not take what it is told."""

    def __init__(self, host: Host) -> None:
        self._host = host

    # -- a new layer -----------------------------------------------------------------------------------------------

    def switch(self, path: Path, over: Path, below: Path, name: Callable[[], None]) -> None:
        """The definition first: a guest that ends now is started upon the new layer, which shows everything."""
        with self._guest_of(lambda node: _file_of(node) in (str(path), str(over))) as found:
            if found is None:
                name()
                return
            try:
                if not found.drive.node["read-only"] and processes.pid_of(found.directory) is not None:
                    self._go_on_in(found, over, below)
            except (MonitorError, OSError):
                # Whether it has gone on all the same is told by who still writes to the old one.
                name()
            else:
                name()
            finally:
                self._open_as(found, path)

    def _go_on_in(self, found: _Found, over: Path, below: Path) -> None:
        with processes.monitor(found.directory) as monitor:
            block = devices.block_of(monitor, found.drive.id)
            if block is None:  # it is about to be plugged in, and opens the new layer then
                _forget(monitor, str(found.drive.node["node-name"]))
            elif Path(block["image"].get("backing-filename") or "/").name != below.name:
                self._open_as(found, over)
                monitor.ask(
                    "blockdev-snapshot-sync",
                    node_name=block["node-name"],
                    snapshot_file=str(over),
                    snapshot_node_name=f"o{over.stem}"[:31],
                    format="qcow2",
                    mode="existing",
                )

    def _open_as(self, found: _Found, path: Path) -> None:
        """The file that the guest's definition names from now on."""
        node = found.drive.node
        if _file_of(node) != str(path):
            self._enter(found, {**node, "file": {**node["file"], "filename": str(path)}})

    # -- an export instead -----------------------------------------------------------------------------------------

    def hand_over(self, path: Path, connection: dict[str, Any], ready: Callable[[], None]) -> bool:
        export = str(connection["data"]["export"])
        with self._guest_of(lambda node: _file_of(node) == str(path) or _export_of(node) == export) as found:
            if found is None:
                return False
            with contextlib.ExitStack() as stack:
                monitor = None
                if processes.pid_of(found.directory) is not None:
                    monitor = stack.enter_context(processes.monitor(found.directory))
                self._hand_over(found, monitor, connection, ready)
        return True

    def _hand_over(
        self, found: _Found, monitor: Monitor | None, connection: dict[str, Any], ready: Callable[[], None]
    ) -> None:
        """The definition first: a guest that ends now is started upon the export, which has all its writes too."""
        drive, old = found.drive, found.drive.node
        new = volumes.node_of(Disk(volume_id=str(drive.volume_id), device=drive.device, connection=connection))
        copied = monitor is not None and _copy(monitor, drive, new)
        try:
            self._enter(found, new)
            ready()
        except BaseException:
            self._enter(found, old)
            if monitor is not None and copied:
                _end_job(monitor, drive, force=True)
            raise
        if monitor is not None and copied:
            _pivot(monitor, drive)
            _forget(monitor, str(old["node-name"]))

    def _enter(self, found: _Found, node: dict[str, Any]) -> None:
        found.drive.node = node
        for kept in found.record.rescue.get("drives", ()):
            if kept.get("volume_id") == found.drive.volume_id:
                kept["node"] = node
        self._host.folders.save(found.record)

    @contextlib.contextmanager
    def _guest_of(self, matches: Callable[[dict[str, Any]], bool]) -> Iterator[_Found | None]:
        """The guest whose disk that is, with nobody else at work on it; None when there is none."""
        for each in self._host.folders.all():
            if not any(drive.volume_id is not None and matches(drive.node) for drive in each.drives):
                continue
            with self._host.folders.locked(each.id, within_s=_LOCK_S) as directory:
                record = self._host.folders.find(each.id)
                drives = [] if record is None else [one for one in record.drives if one.volume_id and matches(one.node)]
                if record is not None and drives and not record.moved_to:
                    yield _Found(record, drives[0], directory)
                    return
        yield None


def _file_of(node: dict[str, Any]) -> str | None:
    filename: str | None = node.get("file", {}).get("filename")
    return filename


def _export_of(node: dict[str, Any]) -> str | None:
    export: str | None = node.get("file", {}).get("export")
    return export


def _job_of(drive: Drive) -> str:
    return f"handover-{drive.volume_id}"


def _copy(monitor: Monitor, drive: Drive, new: dict[str, Any]) -> bool:
    """Copy what the guest wrote to the newest layer, and each of its writes from now on, until both are the same.

    False when there is nothing to copy: the guest uses the export already, or the disk is not plugged in.
    """
    block = devices.block_of(monitor, drive.id)
    if block is None or str(new["file"]["export"]) in str(block["file"]):
        return False
    if _job(monitor, drive) not in ("ready", "running"):
        _end_job(monitor, drive, force=True)
        target = {**new, "node-name": _target_of(drive)}
        monitor.ask(
            "drive-mirror",
            job_id=_job_of(drive),
            device=block["node-name"],
            target=f"json:{msgspec.json.encode(target).decode()}",
            sync="top",
            mode="existing",
            copy_mode="write-blocking",
            auto_dismiss=False,
        )
    deadline = time.monotonic() + _COPY_S
    while (state := _job(monitor, drive)) != "ready":
        if state in (None, "concluded", "aborting") or time.monotonic() > deadline:
            _end_job(monitor, drive, force=True)
            raise RuntimeError(f"volume {drive.volume_id} could not be copied to its export: {state}")
        time.sleep(0.02)
    return True


def _target_of(drive: Drive) -> str:
    return f"x{str(drive.volume_id).replace('-', '')[:30]}"


def _job(monitor: Monitor, drive: Drive) -> str | None:
    return next((str(job["status"]) for job in monitor.ask("query-jobs") if job["id"] == _job_of(drive)), None)


def _pivot(monitor: Monitor, drive: Drive) -> None:
    """From here on the guest writes to the export alone."""
    monitor.ask("job-complete", id=_job_of(drive))
    deadline = time.monotonic() + _COPY_S
    while _job(monitor, drive) not in (None, "concluded"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the guest does not go over to the export of volume {drive.volume_id}")
        time.sleep(0.01)
    block = devices.block_of(monitor, drive.id)
    _end_job(monitor, drive)
    if block is not None and block["node-name"] != _target_of(drive):
        raise RuntimeError(f"the guest did not go over to the export of volume {drive.volume_id}")


def _end_job(monitor: Monitor, drive: Drive, *, force: bool = False) -> None:
    deadline = time.monotonic() + _LOCK_S
    while (state := _job(monitor, drive)) is not None and time.monotonic() < deadline:
        with contextlib.suppress(MonitorError):  # it ended meanwhile
            if state == "concluded":
                monitor.ask("job-dismiss", id=_job_of(drive))
            elif force:
                monitor.ask("block-job-cancel", device=_job_of(drive), force=True)
        time.sleep(0.01)


def _forget(monitor: Monitor, node: str) -> None:
    """A node that no disk uses any more would keep its file open."""
    nodes = {each["node-name"] for each in monitor.ask("query-named-block-nodes", flat=True)}
    if node in nodes:
        monitor.ask("blockdev-del", node_name=node)
