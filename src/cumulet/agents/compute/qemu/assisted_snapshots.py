"""Snapshots that Volume has a guest's host help with: back ends whose volumes are files on a share (NFS and its like).

Volume makes a qcow2 file on top of the one that the guest writes to, and the guest goes on in it; when a snapshot is
deleted, the guest's host merges files that the guest has open. Source: QEMU's QMP reference (blockdev-snapshot-sync,
block-stream, block-commit); Compute API, Create Assisted Volume Snapshots.

The record says first what the guest is to write to: a new file shows everything that is below it.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from cumulet.agents.compute.folders import Drive, Record
from cumulet.agents.compute.qemu import devices, guest_agent, power, processes
from cumulet.agents.compute.qemu.host import Host
from cumulet.agents.compute.qemu.monitor import Monitor, MonitorError
from cumulet.agents.compute.run import image_tool

_JOB: Final = "merge-snapshot"
_MERGE_S: Final = 3500.0
_LOOK_S: Final = 0.05


class _Open(NamedTuple):
    """A file that the guest has open, with the name of its node in QEMU."""

    file: Path
    node: str


def take(host: Host, record: Record, volume_id: str, new_file: str) -> None:
    """Have the guest go on in `new_file`, which Volume put beside the file it writes to, and on top of that.

    Raises ValueError for a volume that is no file here, and for a file that is not what it should be.
    """
    directory = _directory(host, record)
    drive = _drive(record, volume_id)
    before, current = drive.node, _file_of(drive)
    over = _beside(current, new_file)
    if over != current:
        _require_on_top(over, current, str(before["driver"]))
        _enter(host, record, drive, over, "qcow2")
    if processes.pid_of(directory) is None:
        return
    try:
        with processes.monitor(directory) as monitor:
            _go_on_in(monitor, directory, record, drive, over)
    except BaseException:
        if _stayed(directory, drive, over):
            drive.node = before
            host.folders.save(record)
        raise


def merge(host: Host, record: Record, volume_id: str, file: str | None, into: str | None) -> None:
    """Have one file less below what the guest writes to, and nothing that it reads changed.

    With `into`, the file below: what `file` has is written to that. Without: everything between `file` and the newest
    is written to the newest, which lies upon `file` then, or upon nothing where that is None.
    """
    directory = _directory(host, record)
    drive = _drive(record, volume_id)
    current = _file_of(drive)
    top = None if file is None else _beside(current, file)
    base = None if into is None else _beside(current, into)
    if processes.pid_of(directory) is None:
        if base is not None:
            raise ValueError("two files below the newest can be merged only while the guest runs")
        _rebase(current, top)
        return
    with processes.monitor(directory) as monitor:
        chain = _chain(monitor, drive)
        if base is None:
            _pull(monitor, chain, top)
        elif top is not None:
            _commit(monitor, chain, top, base)
        _forget_first(monitor, drive)


def _directory(host: Host, record: Record) -> Path:
    directory = host.folders.of(record.id)
    if (directory / power.MEMORY).exists():
        raise ValueError("a suspended guest's disks cannot be changed; resume it first")
    return directory


def _drive(record: Record, volume_id: str) -> Drive:
    drive = next((one for one in record.drives if one.volume_id == volume_id), None)
    if drive is None:
        raise ValueError(f"volume {volume_id} is not attached")
    if drive.node["file"].get("driver") != "file":
        raise ValueError(f"volume {volume_id} is no file on this host: its back end makes its snapshots itself")
    if drive.readonly or drive.node.get("read-only"):
        raise ValueError(f"volume {volume_id} is read-only for this guest")
    return drive


def _file_of(drive: Drive) -> Path:
    return Path(drive.node["file"]["filename"])


def _path(image: dict[str, Any]) -> Path:
    """The file of an image as QEMU tells it: its name, or all that it was opened with."""
    name = str(image["filename"])
    if not name.startswith("json:"):
        return Path(name)
    opened = msgspec.json.decode(name.removeprefix("json:"))
    while isinstance(opened.get("file"), dict):
        opened = opened["file"]
    return Path(str(opened.get("filename") or opened.get("file.filename")))


def _beside(current: Path, name: str) -> Path:
    """Raises ValueError for a name that leads elsewhere."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} is no name of a file beside the volume's")
    return current.with_name(name)


def _require_on_top(over: Path, current: Path, kind: str) -> None:
    """The format of what is below must be written in it: QEMU would guess it from what a guest wrote."""
    if over.is_symlink() or not over.is_file():
        raise ValueError(f"the volume service has put no file {over.name} beside the volume's")
    said: dict[str, Any] = msgspec.json.decode(image_tool("info", "-U", "--output=json", "-f", "qcow2", over))
    more = said.get("format-specific", {}).get("data", {})
    below = str(said.get("full-backing-filename") or said.get("backing-filename") or "")
    if Path(below) != current or said.get("backing-filename-format") != kind or more.get("data-file"):
        raise ValueError(f"file {over.name} does not lie upon the {kind} file {current.name} that the guest writes to")


def _enter(host: Host, record: Record, drive: Drive, file: Path, kind: str) -> None:
    drive.node = {**drive.node, "driver": kind, "file": {**drive.node["file"], "filename": str(file)}}
    host.folders.save(record)


def _go_on_in(monitor: Monitor, directory: Path, record: Record, drive: Drive, over: Path) -> None:
    block = devices.block_of(monitor, drive.id)
    if block is None:
        raise ValueError(f"volume {drive.volume_id} is not plugged in")
    if _path(block["image"]) == over:
        return
    with guest_agent.frozen(directory, record):
        monitor.ask(
            "blockdev-snapshot-sync",
            node_name=block["node-name"],
            snapshot_file=str(over),
            snapshot_node_name=f"o{time.monotonic_ns():x}",
            format="qcow2",
            mode="existing",
        )


def _stayed(directory: Path, drive: Drive, over: Path) -> bool:
    """Whether the guest surely writes to where it did. One that has ended may have written to the new file."""
    try:
        with processes.monitor(directory) as monitor:
            block = devices.block_of(monitor, drive.id)
    except (MonitorError, OSError):
        return False
    return block is None or _path(block["image"]) != over


# -- merging -------------------------------------------------------------------------------------------------------


def _chain(monitor: Monitor, drive: Drive) -> list[_Open]:
    """What the guest writes to, and what is below it, from the newest on."""
    block = devices.block_of(monitor, drive.id)
    if block is None:
        raise ValueError(f"volume {drive.volume_id} is not plugged in")
    files, image = [], block["image"]
    while image is not None:
        files.append(_path(image))
        image = image.get("backing-image")
    nodes = {
        _path(node["image"]): str(node["node-name"])
        for node in monitor.ask("query-named-block-nodes", flat=True)
        if node["drv"] in ("qcow2", "raw")
    }
    return [_Open(file, nodes[file]) for file in files]


def _in(chain: list[_Open], file: Path) -> _Open | None:
    return next((one for one in chain if one.file == file), None)


def _pull(monitor: Monitor, chain: list[_Open], top: Path | None) -> None:
    below = chain[1].file if len(chain) > 1 else None
    if below == top:
        return
    arguments: dict[str, Any] = {}
    if top is not None:
        base = _in(chain[1:], top)
        if base is None:
            raise ValueError(f"the guest's volume does not lie upon a file {top.name}")
        arguments = {"base_node": base.node, "backing_file": top.name}
    monitor.ask("block-stream", job_id=_JOB, device=chain[0].node, **arguments)
    _until_done(monitor)


def _commit(monitor: Monitor, chain: list[_Open], top: Path, base: Path) -> None:
    below = _in(chain[1:], base)
    if below is None or top == base:
        raise ValueError(f"the guest's volume does not lie upon a file {base.name}")
    above = _in(chain, top)
    if above is None:  # it was merged before
        return
    if above == chain[0]:
        raise ValueError(f"the guest writes to file {top.name}: nothing below it can have its data")
    nodes = {"top_node": above.node, "base_node": below.node, "backing_file": base.name}
    monitor.ask("block-commit", job_id=_JOB, device=chain[0].node, **nodes)
    _until_done(monitor)


def _until_done(monitor: Monitor) -> None:
    deadline = time.monotonic() + _MERGE_S
    while any(job["device"] == _JOB for job in monitor.ask("query-block-jobs")):
        if time.monotonic() > deadline:
            monitor.ask("block-job-cancel", device=_JOB, force=True)
            raise RuntimeError(f"the files could not be merged within {_MERGE_S:.0f} s")
        time.sleep(_LOOK_S)
    ended = monitor.event(
        lambda event: event["event"] == "BLOCK_JOB_COMPLETED" and event["data"]["device"] == _JOB, within_s=1.0
    )
    if ended is not None and ended["data"].get("error"):
        raise RuntimeError(f"the files could not be merged: {ended['data']['error']}")


def _forget_first(monitor: Monitor, drive: Drive) -> None:
    """The node that the volume was plugged in with keeps its file open when nothing lies upon it any more."""
    with contextlib.suppress(MonitorError):  # it is still used, or was never there
        monitor.ask("blockdev-del", node_name=drive.node["node-name"])


def _rebase(current: Path, below: Path | None) -> None:
    said: dict[str, Any] = msgspec.json.decode(image_tool("info", "--output=json", "-f", "qcow2", current))
    if below is None:
        image_tool("rebase", "-f", "qcow2", "-b", "", current)
        return
    known = {str(one["filename"]): str(one["format"]) for one in _below(current, said)}
    if str(below) not in known:
        raise ValueError(f"the volume does not lie upon a file {below.name}")
    image_tool("rebase", "-f", "qcow2", "-F", known[str(below)], "-b", below.name, current)


def _below(current: Path, said: dict[str, Any]) -> list[dict[str, Any]]:
    chain: list[dict[str, Any]] = msgspec.json.decode(
        image_tool("info", "--backing-chain", "--output=json", "-f", str(said["format"]), current)
    )
    return chain[1:]
