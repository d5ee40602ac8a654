"""Compute as its tests need it.

The real Placement is beside it, a Network and an Image of a few lines, agents on a bus in memory, and an engine.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

from cumulet.agents.compute.agent import Agent
from cumulet.compute import app
from cumulet.compute.service import Compute
from cumulet.compute.tables import jobs
from cumulet.kernel import migrate
from cumulet.kernel.auth import TokenAuthenticator
from cumulet.kernel.bus import MemoryBus
from cumulet.kernel.client import Response, Session, Transport
from cumulet.kernel.context import Context
from cumulet.kernel.engine import Engine
from cumulet.kernel.environment import Environment
from cumulet.kernel.settings import Settings
from cumulet.placement import app as placement_app
from cumulet.simulator.compute import SimulatedHypervisor
from tests.compute.images import IMAGE_ID, Images
from tests.compute.network import NETWORK_ID as NETWORK_ID
from tests.compute.network import Network
from tests.compute.volume import Volume
from tests.support import Client, StaticVerifier, caller

PLACEMENT, NETWORK, IMAGE = "http://placement.test", "http://network.test", "http://image.test"
VOLUME = "http://volume.test"
CATALOG = [
    {"type": kind, "endpoints": [{"interface": "public", "url": url}]}
    for kind, url in (("placement", PLACEMENT), ("network", NETWORK), ("image", IMAGE))
] + [{"type": "block-storage", "endpoints": [{"interface": "public", "url": f"{VOLUME}/v3/service"}]}]
LATEST = "2.104"


def _caller(*roles: str, **rest: Any) -> Context:
    return caller(*roles, token={"catalog": CATALOG}, auth_token=rest["user_id"], **rest)


CALLERS = {
    "admin": _caller("admin", "member", "reader", user_id="admin", project_id="admin-project"),
    "member": _caller("member", "reader", user_id="member", project_id="project"),
    "reader": _caller("reader", user_id="reader", project_id="project"),
    "other": _caller("member", "reader", user_id="other", project_id="other"),
    "nova": _caller("admin", "service", user_id="nova", project_id="service"),
}


class Peers(Session):
    """Compute's own login, without an Identity."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport, "http://identity.test/v3", "nova", "")

    def token(self) -> str:
        return "nova"

    def endpoint(self, *service_types: str, interface: str = "internal") -> str:
        known = {"placement": PLACEMENT, "network": NETWORK, "image": IMAGE, "block-storage": f"{VOLUME}/v3/service"}
        return known[service_types[0]]


class KnownCallers(Environment):
    """An environment that knows tokens by heart."""

    def authenticator(self, *service_types: str) -> TokenAuthenticator:
        return TokenAuthenticator(
            StaticVerifier(**CALLERS), service_types=service_types, www_authenticate="http://cloud.test:5000"
        )

    def service_session(self, user: str) -> Session:
        return Peers(self.transport)


class Cloud:
    """Everything together. `options` are lines of nova.conf; `hosts` the simulated ones."""

    def __init__(self, state: Path, make_url: Callable[[str], str], options: str = "") -> None:
        self.network, self.volume, self.images = Network(), Volume(), Images()
        transport = Transport(local={NETWORK: self.network.app, VOLUME: self.volume.app, IMAGE: self.images.app})
        env = KnownCallers(Settings(state_dir=str(state)), transport)
        env.paths.make()
        for project, name in (("nova", "compute"), ("placement", "placement")):
            section = "placement_database" if project == "placement" else "database"
            lines = [options if project == "nova" else "", f"[{section}]", f"connection = {make_url(name)}"]
            lines += ["[database]"] * (section != "database") + ["sqlite_synchronous = false"]
            (env.paths.config / f"{project}.conf").write_text("\n".join(lines))
        self.placement = placement_app.build_service(env)
        migrate.upgrade(self.placement.db, placement_app.SCHEMA)
        placement_app.prepare(self.placement, {})
        transport.local[PLACEMENT] = placement_app.build_api(self.placement)
        self.service: Compute = app.build_service(env)
        migrate.upgrade(self.service.db, app.SCHEMA)
        self.bus = MemoryBus()
        self.service.__dict__["bus"] = self.bus
        self.wsgi: Callable[..., Iterable[bytes]] = app.build_api(self.service)
        self.client = Client(self.wsgi)
        self.hosts: dict[str, SimulatedHypervisor] = {}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._serve("engine")

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _serve(self, host: str) -> None:
        ready = threading.Event()
        methods = app.build_methods(self.service)
        thread = threading.Thread(
            target=self.bus.serve, args=(host, methods, self._stop), kwargs={"ready": ready}, daemon=True
        )
        thread.start()
        self._threads.append(thread)
        assert ready.wait(5)

    def add_host(self, name: str, driver: SimulatedHypervisor | None = None) -> SimulatedHypervisor:
        """A host whose agent has reported."""
        self.hosts[name] = driver or SimulatedHypervisor(upload=self.images.upload)
        agent = Agent(self.bus, {name: self.hosts[name]}, report_s=5.0)
        self._start(agent.run, self._stop)
        path = f"/v2.1/os-hypervisors/detail?hypervisor_hostname_pattern={name}"
        self.until(lambda: self.call("GET", path, "admin").status == 200 and self._is_known(name))
        return self.hosts[name]

    def _is_known(self, name: str) -> bool:
        answer = self.service.session.request("GET", "placement", f"/resource_providers?name={name}")
        providers = answer.json()["resource_providers"]
        if not providers:
            return False
        path = f"/resource_providers/{providers[0]['uuid']}/inventories"
        return bool(self.service.session.request("GET", "placement", path).json()["inventories"])

    def start_engine(self) -> None:
        engine = Engine([("compute", self.service.db, jobs, app.build_jobs(self.service), self.service)])
        self.service.__dict__["wake"] = lambda: engine.wake("compute")
        self._start(engine.run, self._stop)

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=10)
        self.bus._threads.shutdown(wait=True)
        self.service.db.close()
        self.placement.db.close()

    def until(self, done: Callable[[], Any], seconds: float = 20.0) -> Any:
        end = time.monotonic() + seconds
        while not (found := done()):
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.01)
        return found

    # -- the API ---------------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, token: str = "member", version: str = LATEST, **rest: Any) -> Response:
        headers = {"OpenStack-API-Version": f"compute {version}"}
        return self.client.request(method, path, token=token, headers=headers, **rest)

    def json(self, method: str, path: str, token: str = "member", *, status: int = 200, **rest: Any) -> Any:
        """The decoded answer, which must have the status."""
        answer = self.call(method, path, token, **rest)
        assert answer.status == status, (answer.status, answer.body)
        return answer.json() if answer.body else None

    def flavor(self, **fields: Any) -> str:
        body = {"name": f"flavor-{uuid4()}", "ram": 128, "vcpus": 1, "disk": 1, **fields}
        return str(self.json("POST", "/v2.1/flavors", "admin", json={"flavor": body})["flavor"]["id"])

    def boot(self, token: str = "member", *, status: int = 202, hints: Any = None, **fields: Any) -> Any:
        """POST /servers with what a server needs; the answer's server or error."""
        server = {"name": "server", "imageRef": IMAGE_ID, "networks": [{"uuid": NETWORK_ID}], **fields}
        server.setdefault("flavorRef", self.flavor())
        body = {"server": server} | ({"os:scheduler_hints": hints} if hints else {})
        answer = self.json("POST", "/v2.1/servers", token, status=status, json=body)
        return answer["server"] if status == 202 else next(iter(answer.values()))

    def show(self, server_id: str, token: str = "admin", **rest: Any) -> Any:
        return self.json("GET", f"/v2.1/servers/{server_id}", token, **rest)["server"]

    def settled(self, server_id: str) -> Any:
        """The server once nothing is being done to it."""

        def look() -> Any:
            server = self.show(server_id)
            return server if server["OS-EXT-STS:task_state"] is None and server["status"] != "BUILD" else None

        return self.until(look)

    def active(self, **fields: Any) -> Any:
        server = self.settled(self.boot(**fields)["id"])
        assert server["status"] == "ACTIVE", server.get("fault")
        return server

    def act(self, server_id: str, action: str, given: Any = None, token: str = "member", *, status: int = 202) -> Any:
        return self.json("POST", f"/v2.1/servers/{server_id}/action", token, status=status, json={action: given})

    def is_gone(self, server_id: str) -> bool:
        return self.call("GET", f"/v2.1/servers/{server_id}", "admin").status == 404

    def allocations(self, server_id: str) -> Any:
        return self.service.session.request("GET", "placement", f"/allocations/{server_id}").json()["allocations"]
