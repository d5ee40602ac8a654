"""A simulated hypervisor: guests are rows of a dictionary, kept in a file so that they outlive their agent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct, field

from cumulet.agents.compute.protocols import Guest, NoSuchGuest, Resources

RUNNING, PAUSED, SHUTDOWN, SUSPENDED = 1, 3, 4, 7


class SimulatedGuest(Struct):
    power_state: int
    hostname: str
    log: list[str]


class Faults(Struct):
    """How the driver behaves, by method: `delays` in seconds, `errors` as the sentence a call fails with."""

    delays: dict[str, float] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


class SimulatedHypervisor:
    """A driver without guests. With a `file` its guests are still there when the agent is started again."""

    def __init__(self, *, resources: Resources | None = None, faults: Faults | None = None, file: Path | None = None):
        self._resources = resources or default_resources()
        self.faults = faults or Faults()
        self._file = file
        self._since = time.monotonic()
        self._lock = threading.Lock()
        self._guests: dict[str, SimulatedGuest] = {}
        if file is not None and file.exists():
            self._guests = msgspec.json.decode(file.read_bytes(), type=dict[str, SimulatedGuest])

    def resources(self) -> Resources:
        minutes = int(time.monotonic() - self._since) // 60
        uptime = f"{time.strftime('%H:%M:%S')} up {minutes} min,  0 users,  load average: 0.00, 0.00, 0.00"
        return msgspec.structs.replace(self._resources, uptime=uptime)

    def _behave(self, method: str) -> None:
        delay = self.faults.delays.get(method, 0.0)
        if delay:
            time.sleep(delay)
        if method in self.faults.errors:
            raise RuntimeError(self.faults.errors[method])

    def _save(self) -> None:
        if self._file is not None:
            temporary = self._file.with_suffix(".new")
            temporary.write_bytes(msgspec.json.encode(self._guests))
            temporary.replace(self._file)

    def _change(self, method: str, server_id: str, edit: Callable[[SimulatedGuest], None]) -> None:
        self._behave(method)
        with self._lock:
            guest = self._guests.get(server_id)
            if guest is None:
                raise NoSuchGuest(f"there is no guest {server_id}")
            edit(guest)
            self._save()

    def spawn(self, guest: Guest) -> None:
        self._behave("spawn")
        with self._lock:
            if guest.id not in self._guests:
                made = SimulatedGuest(RUNNING, guest.hostname, [])
                _boot(made)
                self._guests[guest.id] = made
                self._save()

    def destroy(self, server_id: str) -> None:
        self._behave("destroy")
        with self._lock:
            if self._guests.pop(server_id, None) is not None:
                self._save()

    def start(self, server_id: str) -> None:
        self._change("start", server_id, _start)

    def stop(self, server_id: str) -> None:
        self._change("stop", server_id, _to(SHUTDOWN))

    def reboot(self, server_id: str, *, hard: bool) -> None:
        self._change("reboot", server_id, _boot)

    def pause(self, server_id: str) -> None:
        self._change("pause", server_id, _to(PAUSED))

    def unpause(self, server_id: str) -> None:
        self._change("unpause", server_id, _to(RUNNING))

    def suspend(self, server_id: str) -> None:
        self._change("suspend", server_id, _to(SUSPENDED))

    def resume(self, server_id: str) -> None:
        self._change("resume", server_id, _to(RUNNING))

    def console_log(self, server_id: str) -> str:
        self._behave("console_log")
        with self._lock:
            guest = self._guests.get(server_id)
            if guest is None:
                raise NoSuchGuest(f"there is no guest {server_id}")
            return "\n".join(guest.log)

    def guests(self) -> dict[str, int]:
        with self._lock:
            return {server_id: guest.power_state for server_id, guest in self._guests.items()}


def _to(power_state: int) -> Callable[[SimulatedGuest], None]:
    def edit(guest: SimulatedGuest) -> None:
        guest.power_state = power_state

    return edit


def _start(guest: SimulatedGuest) -> None:
    if guest.power_state != RUNNING:
        _boot(guest)


def _boot(guest: SimulatedGuest) -> None:
    """What a start writes to the console, as many lines as clients ask for at least."""
    guest.power_state = RUNNING
    guest.log = [f"[{number:5d}.000000] simulated kernel: step {number} of 12" for number in range(1, 13)]
    guest.log.append(f"{guest.hostname} login:")


def default_resources() -> Resources:
    """A large host: 64 processors, 256 GB, 4 TB."""
    return Resources(
        vcpus=64,
        memory_mb=262_144,
        local_gb=4096,
        hypervisor_type="simulated",
        hypervisor_version=1000,
        host_ip="127.0.0.1",
        cpu_info={"arch": "x86_64", "model": "simulated", "topology": {"sockets": 1, "cores": 64, "threads": 1}},
        facts={"arches": ["x86_64", "aarch64"]},
    )
