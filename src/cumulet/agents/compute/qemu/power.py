"""Power of a guest: on, off, paused, saved to disk and taken up again."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from cumulet.agents.compute import processor_time, unix
from cumulet.agents.compute.container import cgroups
from cumulet.agents.compute.folders import Record, boot_id
from cumulet.agents.compute.qemu import command, devices, placement, processes, tpm, transfer, volumes
from cumulet.agents.compute.qemu.host import Host
from cumulet.agents.compute.qemu.monitor import Monitor, MonitorError, MonitorGone

log = logging.getLogger(__name__)

RUNNING, PAUSED, SHUTDOWN, CRASHED, SUSPENDED = 1, 3, 4, 6, 7
MEMORY: Final = "memory"
AT_REST: Final = "at rest"
_SAVE_S: Final = 600.0
_LISTEN_S: Final = 0.3
SERVED_S: Final = 20.0
"""How long who starts a guest waits for its volumes' exports: within the patience of the engine's call."""
_STATES: Final = {
    "running": RUNNING,
    "busy": RUNNING,
    "inmigrate": RUNNING,
    "postmigrate": PAUSED,
    "paused": PAUSED,
    "prelaunch": PAUSED,
    "suspended": RUNNING,
    "guest-panicked": CRASHED,
    "internal-error": CRASHED,
    "io-error": PAUSED,
    "shutdown": SHUTDOWN,
}


def state_of(directory: Path) -> int:
    status = processes.status(directory)
    if status is None:
        return SUSPENDED if (directory / MEMORY).exists() else SHUTDOWN
    return _STATES.get(status, RUNNING)


def on(host: Host, record: Record, *, paused: bool = False, again: bool = False) -> None:
    """Run it from its saved memory or from the start; one that runs stays as it is.

    `again`: it is to run since before the host's start. Its record is of that time until it runs, so that whoever looks
    next knows. Raises NotServed while what serves its volumes is not there.
    """
    directory = host.folders.of(record.id)
    wanted = "paused" if paused else "running"
    if processes.pid_of(directory) is None:
        if not again:
            wish(host, record, wanted)
        _run(host, record, directory, within_s=0.0 if again else SERVED_S)
    if again:
        wish(host, record, wanted)


def _run(host: Host, record: Record, directory: Path, *, within_s: float) -> None:
    volumes.await_served(record.drives, host.config.host_namespace, within_s=within_s)
    host.plug(record)
    placement.place(host, record)
    memory = directory / MEMORY
    if memory.exists():
        _restore(host, record, directory, memory)
    else:
        _launch(host, record, command.build(record, host.config))
    _watch_memory(host, directory)


def wish(host: Host, record: Record, wanted: str) -> None:
    record.wanted, record.boot_id = wanted, boot_id()
    host.folders.save(record)


def off(host: Host, record: Record, *, within_s: float) -> None:
    """Ask the guest to shut down, and end it when it does not in time."""
    directory = host.folders.of(record.id)
    wish(host, record, "stopped")
    if processes.pid_of(directory) is None:
        (directory / MEMORY).unlink(missing_ok=True)
        return
    if processes.status(directory) == "paused":
        resume(host, record)
        wish(host, record, "stopped")
    if not within_s or not processes.power_down(directory, within_s):
        processes.kill(directory)


def pause(host: Host, record: Record) -> None:
    with processes.monitor(host.folders.of(record.id)) as monitor:
        monitor.ask("stop")
    wish(host, record, "paused")


def resume(host: Host, record: Record) -> None:
    with processes.monitor(host.folders.of(record.id)) as monitor:
        monitor.ask("cont")
    wish(host, record, "running")


def rest(host: Host, record: Record) -> None:
    """Leave nothing of it but files; it goes on where it was when it is woken."""
    directory = host.folders.of(record.id)
    wanted = record.wanted
    if processes.status(directory) in ("running", "paused"):
        try:
            save(host, record)
        except (MonitorError, MonitorGone, TimeoutError, RuntimeError, OSError) as error:
            log.warning("the memory of guest %s is lost: %s", record.id, error)
    processes.kill(directory)
    transfer.withdraw(directory)
    host.unplug(record)
    record.wanted, record.boot_id = wanted, AT_REST
    host.folders.save(record)


def save(host: Host, record: Record) -> None:
    """Write its memory beside its disks and end it."""
    directory = host.folders.of(record.id)
    if processes.pid_of(directory) is None:
        if not (directory / MEMORY).exists():
            raise ValueError("the guest is not running")
        return
    part = directory / f".{MEMORY}.part"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with processes.monitor(directory) as monitor:
            monitor.ask("stop")
            try:
                monitor.send_file("memory", descriptor)
                monitor.ask("migrate-set-parameters", max_bandwidth=1 << 40)
                monitor.ask("migrate", uri="fd:memory")
                _wait_saved(monitor)
            except BaseException:
                with contextlib.suppress(MonitorError, MonitorGone):
                    monitor.ask("cont")
                raise
        os.fsync(descriptor)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    part.replace(directory / MEMORY)
    processes.kill(directory)
    wish(host, record, "suspended")


def _wait_saved(monitor: Monitor) -> None:
    deadline = time.monotonic() + _SAVE_S
    while True:
        state = monitor.ask("query-migrate")
        if state.get("status") == "completed":
            return
        if state.get("status") in ("failed", "cancelled") or time.monotonic() > deadline:
            raise RuntimeError(f"the guest's memory could not be saved: {state.get('error-desc', 'out of time')}")
        time.sleep(0.03)


def _restore(host: Host, record: Record, directory: Path, memory: Path) -> None:
    descriptor = os.open(memory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        await_memory(host, record, pass_fds=[descriptor])
        with listening(directory):
            _take_up(record, directory, f"fd:{descriptor}")
    finally:
        os.close(descriptor)
    memory.unlink(missing_ok=True)


def _take_up(record: Record, directory: Path, source: str) -> None:
    with processes.monitor(directory) as monitor:
        monitor.ask("migrate-incoming", uri=source)
    deadline = time.monotonic() + _SAVE_S
    with processes.monitor(directory) as monitor:
        while monitor.ask("query-status")["status"] == "inmigrate":
            if time.monotonic() > deadline:
                raise RuntimeError("the guest's saved memory could not be read in time")
            time.sleep(0.02)
        if record.wanted != "paused":
            monitor.ask("cont")


@contextlib.contextmanager
def listening(directory: Path) -> Iterator[None]:
    """Have somebody at the serial line while a guest's state arrives and starts to run.

    A character may be on its way to a listener who did not take it. Without a listener here QEMU would never send it,
    and a guest whose kernel has something to say would wait for that for ever.
    """
    with contextlib.closing(unix.connect(directory / command.SERIAL, 5.0)) as line:
        yield
        line.settimeout(_LISTEN_S)
        with contextlib.suppress(TimeoutError):
            line.recv(65536)


def await_memory(host: Host, record: Record, *, pass_fds: Sequence[int] = ()) -> None:
    """A machine that waits for memory from elsewhere, standing still."""
    placement.place(host, record)
    arguments = command.build(record, host.config, incoming="defer")
    _launch(host, record, arguments, pass_fds=pass_fds)


def _launch(host: Host, record: Record, arguments: Sequence[str], *, pass_fds: Sequence[int] = ()) -> None:
    """Its QEMU with what has to be beside it, held to what it may have of the host."""
    directory = host.folders.of(record.id)
    tpm.bury()
    tpm.start(directory, record.machine.get("tpm") or {})
    processes.start(directory, arguments, host.config.host_namespace, pass_fds=pass_fds)
    try:
        _hold(host, record, directory)
    except BaseException:
        processes.kill(directory)
        raise


def _hold(host: Host, record: Record, directory: Path) -> None:
    pid, time = processes.pid_of(directory), processor_time.of_flavor(record.guest.flavor)
    if pid is None:
        return
    if time != processor_time.UNLIMITED:
        cgroups.hold(record.id, time, vcpus=int(record.guest.flavor["vcpus"]), pid=pid)
    placement.confine(host, record, pid)
    kept, limited = placement.kept_of(record, host.config.host), [drive for drive in record.drives if drive.limits]
    if kept is None and not limited:
        return
    with processes.monitor(directory) as monitor:
        if kept is not None:
            placement.pin(host, kept, [cpu["thread-id"] for cpu in monitor.ask("query-cpus-fast")])
        for drive in limited:
            devices.limit(monitor, drive)


def _watch_memory(host: Host, directory: Path) -> None:
    if not host.config.memory_stats_s:
        return
    with contextlib.suppress(MonitorError, MonitorGone, TimeoutError), processes.monitor(directory) as monitor:
        monitor.ask(
            "qom-set",
            path="/machine/peripheral/balloon",
            property="guest-stats-polling-interval",
            value=host.config.memory_stats_s,
        )
