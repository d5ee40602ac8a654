"""The agent of one host: serves the engine's wishes from the bus and reports that it lives and what it has."""

from __future__ import annotations

import logging
import threading
import typing
from collections.abc import Mapping
from typing import Any

import msgspec

from cumulet.agents.compute.protocols import Hypervisor
from cumulet.kernel.bus import Bus, BusError, Call, Method

log = logging.getLogger(__name__)

ENGINE = "engine"
REPORT_S = 10.0
_AGAIN_S = 0.5


class Agent:
    """`hypervisors` are the drivers of the hosts this process serves, by host name: one, or many simulated ones."""

    def __init__(self, bus: Bus, hypervisors: Mapping[str, Hypervisor], *, report_s: float = REPORT_S) -> None:
        self._bus = bus
        self._hypervisors = hypervisors
        self._report_s = report_s

    def run(self, stop: threading.Event) -> None:
        """Serve and report until `stop` is set."""
        reporter = threading.Thread(target=self._report_until, args=(stop,), name="report", daemon=True)
        reporter.start()
        self._bus.serve(list(self._hypervisors), self.methods(), stop)
        reporter.join(timeout=self._report_s)

    def methods(self) -> Mapping[str, Method]:
        """`compute.<method>` for every method of the driver; arguments as msgpack says them, Structs as objects."""
        return {
            **{f"compute.{name}": self._method(name) for name in _METHODS},
            "compute.console_log": self._console_log,
        }

    def _of(self, call: Call) -> Hypervisor:
        return self._hypervisors[call.host]

    def _method(self, name: str) -> Method:
        kinds = {key: kind for key, kind in _hints(name).items() if key in _STRUCTS}

        def run(call: Call, **given: Any) -> Any:
            given |= {key: msgspec.convert(given[key], kind) for key, kind in kinds.items()}
            return getattr(self._of(call), name)(**given)

        return run

    def _console_log(self, call: Call, server_id: str, lines: int | None = None) -> str:
        """The last `lines` of the log, all without a number."""
        text = self._of(call).console_log(server_id)
        if lines is None:
            return text
        return "\n".join(text.splitlines()[-lines:]) if lines > 0 else ""

    def _report_until(self, stop: threading.Event) -> None:
        while not stop.is_set():
            done = [self._report(host, driver) for host, driver in self._hypervisors.items()]
            stop.wait(self._report_s if all(done) else _AGAIN_S)

    def _report(self, host: str, driver: Hypervisor) -> bool:
        """Whether the engine took it; it may still be starting."""
        resources = msgspec.structs.asdict(driver.resources())
        report = {"host": host, "node": host, **resources, "guests": driver.guests()}
        try:
            answer = self._bus.call(ENGINE, "compute.report", {"report": report}, timeout_s=self._report_s)
        except BusError as error:
            log.info("the engine did not take the report of %s: %s", host, error)
            return False
        for server_id in answer["destroy"]:
            log.warning("guest %s has no server here any more: it is destroyed", server_id)
            self._destroy(driver, server_id)
        return True

    @staticmethod
    def _destroy(driver: Hypervisor, server_id: str) -> None:
        """One that cannot be destroyed now is named again after the next report."""
        try:
            driver.destroy(server_id)
        except Exception:  # the agent goes on; the engine asks again
            log.exception("guest %s could not be destroyed", server_id)


def _hints(name: str) -> dict[str, Any]:
    return typing.get_type_hints(getattr(Hypervisor, name))


_STRUCTS = ("guest", "disk", "volumes")
"""The arguments that are Structs, or lists of them."""
_METHODS = [name for name, member in vars(Hypervisor).items() if callable(member) and not name.startswith("_")]
