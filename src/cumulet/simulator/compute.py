"""A simulated hypervisor: guests are rows of a dictionary, kept in a file so that they outlive their agent."""

from __future__ import annotations

import threading
import time
import uuid
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from cumulet.agents.compute.numa import HostNuma, shown
from cumulet.agents.compute.protocols import Disk, Guest, NoSuchGuest, Resources
from cumulet.simulator import guests
from cumulet.simulator.faults import Faults
from cumulet.simulator.guests import PAUSED, RUNNING, SHUTDOWN, SUSPENDED, Edit, SimulatedGuest
from cumulet.simulator.host_resources import default_resources

__all__ = ["PAUSED", "RUNNING", "SHUTDOWN", "SUSPENDED", "Faults", "SimulatedHypervisor", "Upload"]

Upload = Callable[[str, Callable[[str], bytes]], None]
"""`upload(image_id, content_of)`: give an image its data; `content_of(disk_format)` makes it."""
_LIVE_STEPS: Final = 20
_MB: Final = 1 << 20


Inspect = Callable[[dict[str, Any]], None]
"""Looks at an image as Image shows it, and raises for one that is not what it says."""


class Kept(Struct):
    """What the file holds: guests, and forms kept for a return until they are confirmed or reverted."""

    guests: dict[str, SimulatedGuest] = field(default_factory=dict)
    old: dict[str, SimulatedGuest] = field(default_factory=dict)


class Live:
    """One live migration under way."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.aborted = threading.Event()
        self.forced = False


_reachable: weakref.WeakValueDictionary[str, SimulatedHypervisor] = weakref.WeakValueDictionary()
"""What stands for the network between simulated hosts: the drivers of this process by their address."""


class SimulatedHypervisor:
    """A driver without guests. With a `file` its guests are still there when the agent is started again."""

    def __init__(
        self,
        *,
        resources: Resources | None = None,
        faults: Faults | None = None,
        file: Path | None = None,
        upload: Upload | None = None,
        inspect: Inspect | None = None,
    ) -> None:
        self._resources = resources or default_resources()
        self.faults = faults or Faults()
        self._file = file
        self._upload = upload
        self._inspect = inspect
        self._since = time.monotonic()
        self._lock = threading.RLock()
        self._kept = Kept()
        self._incoming: dict[str, Guest] = {}
        self._live: dict[str, Live] = {}
        self.address = uuid.uuid4().hex
        _reachable[self.address] = self
        if file is not None and file.exists():
            self._kept = msgspec.json.decode(file.read_bytes(), type=Kept)

    def resources(self) -> Resources:
        minutes = int(time.monotonic() - self._since) // 60
        uptime = f"{time.strftime('%H:%M:%S')} up {minutes} min,  0 users,  load average: 0.00, 0.00, 0.00"
        facts = self._resources.facts
        with self._lock:
            if any(guest.placed for guest in self._kept.guests.values()):
                facts = {**facts, "numa": msgspec.to_builtins(self._left(self._kept.guests), str_keys=True)}
        return msgspec.structs.replace(self._resources, uptime=uptime, facts=facts)

    def _left(self, taken: dict[str, SimulatedGuest]) -> HostNuma:
        return guests.left_of(self._resources.facts.get("numa") or {}, taken)

    def ports(self) -> set[str]:
        """The ports that guests have here."""
        with self._lock:
            return {port for guest in self._kept.guests.values() for port in guest.ports()}

    # -- how it behaves --------------------------------------------------------------------------------------------

    def _behave(self, method: str) -> None:
        delay = self.faults.delay_s(method)
        if delay:
            time.sleep(delay)
        self.faults.check(method)

    def _look_at(self, image: dict[str, Any]) -> None:
        if self._inspect is not None:
            self._inspect(image)

    def _save(self) -> None:
        if self._file is not None:
            temporary = self._file.with_suffix(".new")
            temporary.write_bytes(msgspec.json.encode(self._kept))
            temporary.replace(self._file)

    def _find(self, server_id: str) -> SimulatedGuest:
        guest = self._kept.guests.get(server_id)
        if guest is None:
            raise NoSuchGuest(f"there is no guest {server_id}")
        return guest

    def _change(self, method: str, server_id: str, edit: Edit) -> None:
        self._behave(method)
        with self._lock:
            edit(self._find(server_id))
            self._save()

    # -- life and power --------------------------------------------------------------------------------------------

    def spawn(self, guest: Guest) -> None:
        self._look_at(guest.image)
        self._behave("spawn")
        with self._lock:
            if guest.id not in self._kept.guests:
                self._build(guest, power_on=True)

    def _build(self, guest: Guest, *, power_on: bool) -> None:
        made = guests.made_from(guest)
        self._place(guest.id, made, guest.image)
        if power_on:
            guests.boot(made)
        self._kept.guests[guest.id] = made
        self._save()

    def _place(self, server_id: str, made: SimulatedGuest, image: dict[str, Any]) -> None:
        others = {one: guest for one, guest in self._kept.guests.items() if one != server_id}
        guests.place(made, image, self._left(others))

    def destroy(self, server_id: str) -> None:
        self._behave("destroy")
        with self._lock:
            gone = [held.pop(server_id, None) for held in (self._kept.guests, self._kept.old)]
            self._incoming.pop(server_id, None)
            if any(gone):
                self._save()

    def start(self, server_id: str) -> None:
        self._change("start", server_id, guests.start)

    def stop(self, server_id: str) -> None:
        self._change("stop", server_id, guests.to(SHUTDOWN))

    def reboot(self, server_id: str, *, hard: bool) -> None:
        self._change("reboot", server_id, guests.boot)

    def pause(self, server_id: str) -> None:
        self._change("pause", server_id, guests.to(PAUSED))

    def unpause(self, server_id: str) -> None:
        self._change("unpause", server_id, guests.to(RUNNING))

    def suspend(self, server_id: str) -> None:
        self._change("suspend", server_id, guests.to(SUSPENDED))

    def resume(self, server_id: str) -> None:
        self._change("resume", server_id, guests.to(RUNNING))

    def rebuild(self, guest: Guest) -> None:
        self._look_at(guest.image)
        self._behave("rebuild")
        with self._lock:
            self._find(guest.id)
            self._build(guest, power_on=True)

    def rescue(self, guest: Guest) -> None:
        def edit(found: SimulatedGuest) -> None:
            if found.rescue_image_id is None:
                found.rescue_image_id = guest.image_id or ""
                guests.boot(found)

        self._change("rescue", guest.id, edit)

    def unrescue(self, server_id: str) -> None:
        def edit(found: SimulatedGuest) -> None:
            if found.rescue_image_id is not None:
                found.rescue_image_id = None
                guests.boot(found)

        self._change("unrescue", server_id, edit)

    def snapshot(self, server_id: str, image_id: str) -> None:
        self._behave("snapshot")
        with self._lock:
            self._find(server_id)
        if self._upload is None:
            raise RuntimeError("this simulated host knows no Image service")
        self._upload(image_id, guests.disk_image)

    # -- moves -----------------------------------------------------------------------------------------------------

    def resize(self, guest: Guest, *, power_on: bool) -> None:
        self._behave("resize")
        with self._lock:
            found = self._find(guest.id)
            if guest.id in self._kept.old:
                return
            changed = guests.copy_of(found)
            changed.flavor = guest.flavor
            self._place(guest.id, changed, guest.image)
            self._kept.old[guest.id], self._kept.guests[guest.id] = found, changed
            (guests.boot if power_on else guests.to(SHUTDOWN))(changed)
            self._save()

    def send(self, server_id: str) -> dict[str, Any]:
        self._behave("send")
        with self._lock:
            if server_id not in self._kept.old:
                self._kept.old[server_id] = self._find(server_id)
                del self._kept.guests[server_id]
                self._save()
            return {"guest": msgspec.to_builtins(self._kept.old[server_id])}

    def receive(self, guest: Guest, offer: dict[str, Any], *, power_on: bool) -> None:
        self._behave("receive")
        with self._lock:
            if guest.id in self._kept.guests:
                return
            sent = msgspec.convert(offer["guest"], SimulatedGuest)
            made = guests.made_from(guest)
            made.boots, made.image_id, made.password = sent.boots, sent.image_id, sent.password
            self._place(guest.id, made, guest.image)
            if power_on:
                guests.boot(made)
            self._kept.guests[guest.id] = made
            self._save()

    def confirm_resize(self, server_id: str) -> None:
        self._behave("confirm_resize")
        with self._lock:
            if self._kept.old.pop(server_id, None) is not None:
                self._save()

    def revert_resize(self, server_id: str, *, volumes: list[Disk], power_on: bool) -> None:
        self._behave("revert_resize")
        with self._lock:
            old = self._kept.old.pop(server_id, None)
            if old is None:
                self._find(server_id)
                return
            old.volumes = {disk.volume_id: disk for disk in volumes}
            (guests.boot if power_on else guests.to(SHUTDOWN))(old)
            self._kept.guests[server_id] = old
            self._save()

    # -- moves of running guests -----------------------------------------------------------------------------------

    def prepare_live(self, guest: Guest, *, copy_disks: bool) -> dict[str, Any]:
        self._behave("prepare_live")
        with self._lock:
            self._incoming[guest.id] = guest
        return {"address": self.address}

    def live_migrate(self, server_id: str, target: dict[str, Any]) -> None:
        with self._lock:
            guest = self._find(server_id)
            live = self._live[server_id] = Live(int(guest.flavor.get("ram", 1)) * _MB)
        try:
            self._copy(live)
            other = _reachable.get(target["address"])
            if other is None:
                raise RuntimeError("the other host cannot be reached")
            with self._lock:
                other._arrive(server_id, guest)
                del self._kept.guests[server_id]
                self._save()
        finally:
            with self._lock:
                self._live.pop(server_id, None)

    def _copy(self, live: Live) -> None:
        step = self.faults.delay_s("live_migrate") / _LIVE_STEPS
        for number in range(1, _LIVE_STEPS + 1):
            if live.forced:
                break
            if live.aborted.wait(step) if step else live.aborted.is_set():
                raise RuntimeError("the live migration was aborted")
            live.done = live.total * number // _LIVE_STEPS
        self.faults.check("live_migrate")

    def _arrive(self, server_id: str, guest: SimulatedGuest) -> None:
        with self._lock:
            expected = self._incoming.pop(server_id, None)
            if expected is None:
                raise RuntimeError("the other host was not prepared")
            arrived = guests.copy_of(guest)
            arrived.vifs = list(expected.vifs)
            self._place(server_id, arrived, expected.image)
            self._kept.guests[server_id] = arrived
            self._save()

    def _moving(self, server_id: str) -> Live:
        with self._lock:
            live = self._live.get(server_id)
            if live is None:
                self._find(server_id)
                raise ValueError(f"guest {server_id} is not being migrated")
            return live

    def abort_live(self, server_id: str) -> None:
        self._behave("abort_live")
        self._moving(server_id).aborted.set()

    def force_live(self, server_id: str) -> None:
        self._behave("force_live")
        self._moving(server_id).forced = True

    def live_progress(self, server_id: str) -> dict[str, int]:
        live = self._moving(server_id)
        memory = {"total": live.total, "processed": live.done, "remaining": live.total - live.done}
        shown = {f"memory_{name}": value for name, value in memory.items()}
        return shown | {f"disk_{name}": 0 for name in memory}

    def cancel_live(self, server_id: str) -> None:
        self._behave("cancel_live")
        with self._lock:
            self._incoming.pop(server_id, None)

    def cache_image(self, image_id: str) -> None:
        """There is nothing to fetch: simulated disks have no content."""
        self._behave("cache_image")

    # -- devices ---------------------------------------------------------------------------------------------------

    def attach_volume(self, server_id: str, disk: Disk) -> None:
        self._change("attach_volume", server_id, lambda guest: guest.volumes.update({disk.volume_id: disk}))

    def detach_volume(self, server_id: str, volume_id: str) -> None:
        self._change("detach_volume", server_id, lambda guest: _forget(guest.volumes, volume_id))

    def extend_volume(self, server_id: str, volume_id: str, size_gb: int) -> None:
        def edit(guest: SimulatedGuest) -> None:
            _require(guest.volumes, volume_id)
            guest.volumes[volume_id] = msgspec.structs.replace(guest.volumes[volume_id], size_gb=size_gb)

        self._change("extend_volume", server_id, edit)

    def swap_volume(self, server_id: str, volume_id: str, disk: Disk, name: str) -> None:
        def edit(guest: SimulatedGuest) -> None:
            if not guests.has_disk(guest, name, disk):
                guests.swap(guest, volume_id, disk, name)

        self._change("swap_volume", server_id, edit)

    def cancel_swap(self, server_id: str, volume_id: str, disk: Disk, name: str) -> bool:
        self._behave("cancel_swap")
        with self._lock:
            return guests.has_disk(self._find(server_id), name, disk)

    def take_assisted_snapshot(self, server_id: str, volume_id: str, new_file: str) -> None:
        """Nothing changes: simulated disks have no content."""
        self._change("take_assisted_snapshot", server_id, lambda guest: _require(guest.volumes, volume_id))

    def merge_assisted_snapshot(self, server_id: str, volume_id: str, file: str | None, into: str | None) -> None:
        self._change("merge_assisted_snapshot", server_id, lambda guest: _require(guest.volumes, volume_id))

    def addresses(self, server_id: str) -> dict[str, dict[str, str]]:
        self._behave("addresses")
        with self._lock:
            return guests.addresses_of(self._find(server_id))

    def attach_interface(self, server_id: str, vif: dict[str, Any]) -> None:
        def edit(guest: SimulatedGuest) -> None:
            guest.vifs = [one for one in guest.vifs if one["id"] != vif["id"]] + [vif]

        self._change("attach_interface", server_id, edit)

    def detach_interface(self, server_id: str, port_id: str) -> None:
        def edit(guest: SimulatedGuest) -> None:
            guest.vifs = [one for one in guest.vifs if one["id"] != port_id]

        self._change("detach_interface", server_id, edit)

    def volumes(self, server_id: str) -> dict[str, Disk]:
        """What a test looks at."""
        with self._lock:
            return dict(self._find(server_id).volumes)

    # -- what it says ----------------------------------------------------------------------------------------------

    def set_password(self, server_id: str, password: str) -> None:
        def edit(guest: SimulatedGuest) -> None:
            guest.password = password

        self._change("set_password", server_id, edit)

    def inject_nmi(self, server_id: str) -> None:
        def edit(guest: SimulatedGuest) -> None:
            guest.dumps += 1

        self._change("inject_nmi", server_id, edit)

    def topology(self, server_id: str) -> dict[str, Any]:
        self._behave("topology")
        with self._lock:
            found = self._find(server_id)
            return shown(found.wish, found.placed)

    def diagnostics(self, server_id: str) -> dict[str, Any]:
        self._behave("diagnostics")
        with self._lock:
            return guests.diagnostics_of(self._find(server_id))

    def console(self, server_id: str, kind: str) -> dict[str, Any]:
        """Nobody listens at these ports: a simulated guest draws nothing."""
        self._behave("console")
        with self._lock:
            self._find(server_id)
        if kind not in ("vnc", "serial"):
            raise ValueError(f"there is no {kind} console")
        first = {"vnc": 5900, "serial": 10000}[kind]
        return {"host": "127.0.0.1", "port": first + sum(server_id.encode()) % 1000}

    def console_log(self, server_id: str) -> str:
        self._behave("console_log")
        with self._lock:
            return self._find(server_id).log()

    def guests(self) -> dict[str, int]:
        with self._lock:
            return {server_id: guest.power_state for server_id, guest in self._kept.guests.items()}


def _forget(volumes: dict[str, Disk], volume_id: str) -> None:
    volumes.pop(volume_id, None)


def _require(volumes: dict[str, Disk], volume_id: str) -> None:
    if volume_id not in volumes:
        raise ValueError(f"volume {volume_id} is not attached")
