"""The network agent's link to the engine: takes wanted states from it and reports what became of them.

A cast from the engine only says that it is time to ask; the agent asks by itself every few seconds all the same.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from cumulet.agents.network.agent import NetworkAgent
from cumulet.agents.network.report import Report
from cumulet.kernel.bus import Bus, BusError, Call, Method, RemoteError

log = logging.getLogger(__name__)

ENGINE: Final = "engine"
REPORT_S: Final = 30.0
POLL_S: Final = 4.0
_AGAIN_S: Final = 0.5
_ANSWER_S: Final = 30.0
_STOP_LOOK_S: Final = 0.25
_PACE: Final = 3.0
_SLOWEST_S: Final = 2.0


class NetworkPart:
    """One host's network agent. `watch` makes what tells of devices that come and go (a LinkWatch)."""

    def __init__(
        self,
        bus: Bus,
        agent: NetworkAgent,
        *,
        watch: Callable[[], Any] | None = None,
        report_s: float = REPORT_S,
        poll_s: float = POLL_S,
    ) -> None:
        self._bus = bus
        self._agent = agent
        self._watch = watch
        self._report_s = report_s
        self._poll_s = poll_s
        self._have = 0  # generation of the newest document that was taken
        self._seen = 0  # how far the engine has looked for this host
        self._started = True  # until the first report has arrived
        self._attention = threading.Event()
        self._lock = threading.Lock()
        self._latest: Report | None = None
        self._told = Report(host=agent.config.host, generation=0)

    def methods(self) -> Mapping[str, Method]:
        return {"network.changed": self._changed}

    def _changed(self, call: Call) -> None:
        self._attention.set()

    def run(self, stop: threading.Event) -> None:
        """Keep the host as the engine wants it, until `stop` is set."""
        if self._agent.load():
            self._have = self._seen = self._agent.generation
        worker = threading.Thread(target=self._apply, args=(stop,), name="network-agent", daemon=True)
        worker.start()
        due = 0.0
        while not stop.is_set() and worker.is_alive():
            self._attention.clear()
            started = time.monotonic()
            reached = self._pull()
            answered = time.monotonic()
            if time.monotonic() >= due or self._has_news():
                reached = self._report() and reached
                due = time.monotonic() + self._report_s
            # Changes that come thick are taken together: what is wanted takes the engine some time to say.
            stop.wait(min(_PACE * (answered - started), _SLOWEST_S))
            self._rest(stop, self._poll_s if reached else _AGAIN_S)
        self._agent.stop()
        worker.join(_ANSWER_S)

    def _rest(self, stop: threading.Event, seconds: float) -> None:
        """Until something needs attention, or it is time to ask, or to end."""
        until = time.monotonic() + seconds
        while not stop.is_set() and (left := until - time.monotonic()) > 0:
            if self._attention.wait(min(left, _STOP_LOOK_S)):
                return

    def _apply(self, stop: threading.Event) -> None:
        try:
            self._agent.run(self._take, watch=self._watch() if self._watch else None, on_gap=self._start_over)
        except Exception:  # a thread of its own: `run` sees that it ended, and ends too
            log.exception("the network agent of %s ended", self._agent.config.host)
        finally:
            self._attention.set()

    def _take(self, report: Report) -> None:
        """A pass has ended."""
        with self._lock:
            self._latest = report
        if self._has_news():
            self._attention.set()

    def _start_over(self) -> None:
        """A delta did not fit: the next document is to be a whole one."""
        self._have = self._seen = 0
        self._attention.set()

    # -- the engine's side -----------------------------------------------------------------------------------------

    def _pull(self) -> bool:
        """Ask what is wanted. Returns whether the engine answered."""
        host = self._agent.config.host
        question = {"host": host, "have": self._have, "seen": self._seen}
        answer = self._ask("network.wanted", question)
        if answer is None:
            return False
        if answer["document"] is not None:
            self._have = answer["generation"]
            self._agent.receive(answer["document"])
        self._seen = answer["generation"]
        return True

    def _has_news(self) -> bool:
        with self._lock:
            latest, told = self._latest, self._told
        if latest is None:
            return False
        return (latest.ports, latest.ha_states, latest.routers, latest.generation) != (
            told.ports,
            told.ha_states,
            told.routers,
            told.generation,
        )

    def _report(self) -> bool:
        """Tell how the host is: what changed since the last time, or everything after a start."""
        with self._lock:
            latest = self._latest
        news: dict[str, Any] = {}
        if latest is not None:
            before = Report(host=latest.host, generation=0) if self._started else self._told
            news = {
                "ports": {port: status for port, status in latest.ports.items() if before.ports.get(port) != status},
                "ha_states": {
                    router: state for router, state in latest.ha_states.items() if before.ha_states.get(router) != state
                },
                "routers": list(latest.routers),
            }
        answer = self._ask("network.report", {"facts": self._facts(latest), "report": news})
        if answer is None:
            return False
        self._started = False
        if latest is not None:
            self._told = latest
        return True

    def _facts(self, latest: Report | None) -> dict[str, Any]:
        config = self._agent.config
        counts = (latest or Report(host=config.host, generation=0)).agents()
        if not config.enable_dhcp:
            counts.pop("neutron-dhcp-agent", None)
        if not config.enable_routers:
            counts.pop("neutron-l3-agent", None)
        return {
            "host": config.host,
            "started": self._started,
            "tunneling_ip": config.local_ip,
            "interface_mappings": dict(config.physical_interface_mappings),
            "bridge_mappings": dict(config.bridge_mappings),
            "availability_zone": config.availability_zone,
            "metadata_host": config.metadata_host,
            "metadata_port": config.metadata_port,
            "counts": counts,
            "generation": latest.generation if latest is not None else 0,
        }

    def _ask(self, method: str, args: dict[str, Any]) -> Any:
        """The engine's answer, None without one: it may be starting."""
        try:
            return self._bus.call(ENGINE, method, args, timeout_s=_ANSWER_S)
        except RemoteError as error:
            log.error("the engine could not do %s: %s", method, error)
        except BusError as error:
            log.info("the engine did not answer %s: %s", method, error)
        return None
