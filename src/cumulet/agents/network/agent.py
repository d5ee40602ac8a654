"""The network agent of one host: takes wanted states and keeps the host as they say.

Level-triggered: every pass compares what should be with what is. A message only says that it is time for a pass, so a
lost one costs a few seconds. All drivers are called from one thread.
"""

from __future__ import annotations

import enum
import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable

import msgspec

from cumulet.agents.network import files
from cumulet.agents.network.config import AgentConfig
from cumulet.agents.network.deltas import Decoded, Delta, GenerationGap, apply_delta, decode, encode
from cumulet.agents.network.planning import plan
from cumulet.agents.network.planning.plans import HostPlan
from cumulet.agents.network.protocols import Drivers, Outcome
from cumulet.agents.network.report import PortStatus, Report
from cumulet.agents.network.state import KINDS, WantedState
from cumulet.agents.network.watch import LinkWatch

log = logging.getLogger(__name__)

# However long a look at everything takes, the next one begins at most this much later (seconds): what somebody breaks
# by hand is to be right again within ten.
_LONGEST_PAUSE = 5.0
# How often the cheap signs of an alteration are asked for, and how soon after a look the next one may follow.
_PEEK_SECONDS = 1.0


class Urgency(enum.Enum):
    """How soon the host has to be looked at."""

    NONE = 0
    SOON = 1
    AT_ONCE = 2


ReportSink = Callable[[Report], None]


class NetworkAgent:
    """`receive` and `stop` may be called from any thread; everything else belongs to the one that runs the agent."""

    def __init__(self, config: AgentConfig, drivers: Drivers) -> None:
        self.config = config
        self._drivers = drivers
        self._wanted = WantedState(host=config.host, generation=0)
        self._plan: HostPlan | None = None
        self._decode_errors: dict[str, str] = {}
        self._ha_states: dict[str, str] = {}
        self._metering: dict[str, tuple[int, int]] = {}
        self._inbox: deque[bytes] = deque()
        self._stopping = threading.Event()
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    # -- wanted states ------------------------------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        return self._wanted.generation

    def receive(self, document: bytes) -> None:
        """Take a full state or a delta (`deltas.encode`), to be applied by the running loop as soon as possible."""
        self._inbox.append(document)
        self.wake()

    def accept(self, document: bytes) -> None:
        """Make a document the wanted state, without acting on it yet.

        msgspec.DecodeError if it is none, GenerationGap if it is a delta that does not fit: a full state is needed.
        """
        decoded = decode(document)
        if decoded.document.host != self.config.host:
            raise msgspec.ValidationError(f"the document is for host {decoded.document.host}")
        if isinstance(decoded.document, Delta):
            self._wanted = apply_delta(self._wanted, decoded.document)
            touched = {f"{kind}/{o.id}" for kind, objects in decoded.document.changed.items() for o in objects}
            touched |= {f"{kind}/{i}" for kind, ids in decoded.document.removed.items() for i in ids}
            kept = {where: why for where, why in self._decode_errors.items() if where not in touched}
            self._decode_errors = kept | decoded.errors
        else:
            self._wanted = self._with_kept(decoded, decoded.document)
            self._decode_errors = decoded.errors
        self._plan = None
        self._store()

    def _with_kept(self, decoded: Decoded, new: WantedState) -> WantedState:
        """An object that arrived broken stays as it was before."""
        kept: dict[str, dict[str, object]] = {}
        for where in decoded.errors:
            kind, _, object_id = where.partition("/")
            before = getattr(self._wanted, kind, {}).get(object_id) if kind in KINDS else None
            if before is not None:
                kept.setdefault(kind, {})[object_id] = before
        return msgspec.structs.replace(new, **{kind: getattr(new, kind) | objects for kind, objects in kept.items()})

    def want(self, wanted: WantedState) -> None:
        """Make this the wanted state, without acting on it yet."""
        self._wanted = wanted
        self._decode_errors = {}
        self._plan = None
        self._store()

    # -- storing: an agent that starts while the control plane is away goes on from what it knew ----------------------

    def _store(self) -> None:
        self.config.state_dir.mkdir(parents=True, exist_ok=True)
        files.write(self.config.state_dir / "wanted.json", encode(self._wanted).decode(), 0o600)

    def load(self) -> bool:
        """Take up the last wanted state of an agent before this one; False if there is none to be had."""
        try:
            self.accept((self.config.state_dir / "wanted.json").read_bytes())
        except FileNotFoundError:
            return False
        except msgspec.MsgspecError as error:
            log.warning("the stored wanted state is not usable: %s", error)
            return False
        return True

    # -- one pass -----------------------------------------------------------------------------------------------------

    def reconcile(self, *, verify: bool = True) -> Report:
        """Bring the host to the wanted state.

        With `verify` everything is looked at; without, only what the wanted state changes (what an update needs).
        """
        first = self._plan is None
        current = self._plan or plan(self._wanted, self.config)
        self._plan = current
        drivers = self._drivers
        total = drivers.switch.retire(current.switch, verify=verify)
        filtered = drivers.filter.apply(current.filter, verify=verify)
        total.add(filtered)
        if "filter" not in filtered.errors:
            # Never a port without its filter.
            total.add(drivers.switch.apply(current.switch, verify=verify))
        total.add(drivers.dhcp.apply(current.dhcp, verify=verify))
        total.add(drivers.routers.apply(current.routers, verify=verify))
        total.add(drivers.metadata.apply(current.metadata, verify=verify))
        total.add(drivers.qos.apply(current.qos, verify=verify))
        total.add(drivers.switch.collect(current.switch))
        if total.changed and verify and not first:
            log.warning("repaired: %s", ", ".join(total.changed[:20]))
        if verify:
            # Asking every router takes too long to do it with every update.
            self._ha_states, self._metering = drivers.routers.ha_states(), drivers.routers.counters()
        return self._report(current, total, repaired=tuple(total.changed) if verify and not first else ())

    def _report(self, current: HostPlan, outcome: Outcome, repaired: tuple[str, ...]) -> Report:
        errors = {_where(subject, current): reason for subject, reason in outcome.errors.items()}
        errors = self._decode_errors | current.errors | errors
        return Report(
            host=self.config.host,
            generation=self._wanted.generation,
            ports=self._port_statuses(current, errors),
            errors=errors,
            ha_states=self._ha_states,
            metering=self._metering,
            dhcp_networks=tuple(sorted(n for n in current.dhcp if f"networks/{n}" not in errors)),
            routers=tuple(sorted(r for r in current.routers if f"routers/{r}" not in errors)),
            repaired=repaired,
        )

    def _port_statuses(self, current: HostPlan, errors: dict[str, str]) -> dict[str, PortStatus]:
        missing = self._drivers.switch.missing()
        devices = {device.port_id: device for device in current.switch.devices.values()}
        statuses: dict[str, PortStatus] = {}
        for port in self._wanted.ports.values():
            device = devices.get(port.id)
            if f"ports/{port.id}" in errors or device is None or "filter" in errors:
                statuses[port.id] = "ERROR"
            elif device.name in missing or not port.admin_state_up:
                statuses[port.id] = "DOWN"
            else:
                statuses[port.id] = "ACTIVE"
        return statuses

    def purge(self) -> None:
        """Leave the host as it was before any agent with these settings: also what an earlier process of it made."""
        drivers = self._drivers
        for part in (drivers.metadata, drivers.routers, drivers.dhcp, drivers.qos, drivers.switch, drivers.filter):
            part.purge()
        (self.config.state_dir / "wanted.json").unlink(missing_ok=True)
        self._wanted = WantedState(host=self.config.host, generation=0)
        self._plan = None

    # -- the loop -----------------------------------------------------------------------------------------------------

    def run(
        self, sink: ReportSink, *, watch: LinkWatch | None = None, on_gap: Callable[[], None] | None = None
    ) -> None:
        """Apply documents as they come and look at everything every few seconds, until `stop`.

        `sink` gets a report after every change and every look; `on_gap` is called when a full state is needed.
        """
        due = self._look(sink, watch)
        looked = time.monotonic()
        while not self._stopping.is_set():
            waiting: list[int] = [self._wake_read, *([watch.fileno()] if watch else [])]
            select.select(waiting, [], [], min(max(0.0, due - time.monotonic()), _PEEK_SECONDS))
            self._drain()
            if self._take_documents(on_gap):
                self._attempt(sink, verify=False)
            urgency = self._urgency(watch)
            if urgency is Urgency.AT_ONCE:
                # Whoever makes several devices at once is done in a moment.
                self._stopping.wait(0.02)
                due = time.monotonic()
            elif urgency is Urgency.SOON:
                due = min(due, looked + _PEEK_SECONDS)
            if time.monotonic() >= due:
                due = self._look(sink, watch)
                looked = time.monotonic()

    def _look(self, sink: ReportSink, watch: LinkWatch | None) -> float:
        """Look at everything; when to do it again. It must not become the host's main business, nor rare."""
        took = self._attempt(sink, verify=True)
        if watch is not None:
            watch.events()  # those of our own doing
        return time.monotonic() + min(max(self.config.sweep_interval, took * 4), _LONGEST_PAUSE)

    def _urgency(self, watch: LinkWatch | None) -> Urgency:
        """At once: a device we wait for has come, or one we need has gone. Soon: somebody has altered something."""
        events = watch.events() if watch is not None else []
        if events is None or self._plan is None:
            return Urgency.AT_ONCE
        switch = self._plan.switch
        missing = self._drivers.switch.missing()
        ours = {*switch.devices, *switch.bridges}
        ours |= {bridge.uplink.name for bridge in switch.bridges.values() if bridge.uplink is not None}
        if any(name in missing if what == "new" else name in ours for what, name in events):
            return Urgency.AT_ONCE
        if any(name in ours for _, name in events) or self._drivers.filter.disturbed():
            return Urgency.SOON
        return Urgency.NONE

    def _attempt(self, sink: ReportSink, *, verify: bool) -> float:
        """One pass, whatever happens in it; the seconds it took."""
        started = time.monotonic()
        try:
            sink(self.reconcile(verify=verify))
        except Exception:
            # A defect in one pass must not end the agent: the next pass looks at everything again.
            log.exception("a pass failed")
            self._plan = None
        return time.monotonic() - started

    def _take_documents(self, on_gap: Callable[[], None] | None) -> bool:
        taken = False
        while self._inbox:
            try:
                self.accept(self._inbox.popleft())
                taken = True
            except GenerationGap as gap:
                log.info("%s", gap)
                if on_gap is not None:
                    on_gap()
            except msgspec.MsgspecError as error:
                log.error("a document from the control plane is not usable: %s", error)
        return taken

    def wake(self) -> None:
        try:
            os.write(self._wake_write, b"x")
        except BlockingIOError:
            return  # the pipe is full of wake-ups already

    def _drain(self) -> None:
        try:
            os.read(self._wake_read, 4096)
        except BlockingIOError:
            return

    def stop(self) -> None:
        """End the loop soon. Nothing on the host is touched."""
        self._stopping.set()
        self.wake()


def _where(subject: str, current: HostPlan) -> str:
    """A switch driver names ports by id and everything else by name; users know `kind/id`."""
    if "/" in subject:
        return subject
    if subject in current.switch.bridges:
        return f"networks/{current.switch.bridges[subject].network_id}"
    if any(device.port_id == subject for device in current.switch.devices.values()):
        return f"ports/{subject}"
    return subject
