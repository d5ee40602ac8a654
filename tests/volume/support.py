"""Volume as its tests need it: an Image of a few lines, back ends on a bus in memory, and an engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import falcon
import msgspec

from cumulet.agents.volume.agent import Agent
from cumulet.agents.volume.backups.repository import Repository
from cumulet.agents.volume.images import Images as AgentImages
from cumulet.agents.volume.protocols import BlockDevice, Upload
from cumulet.agents.volume.protocols import Image as AgentImage
from cumulet.kernel import migrate
from cumulet.kernel.auth import TokenAuthenticator
from cumulet.kernel.bus import MemoryBus
from cumulet.kernel.client import Response, Session, Transport
from cumulet.kernel.context import Context
from cumulet.kernel.engine import Engine
from cumulet.kernel.environment import Environment
from cumulet.kernel.settings import Settings
from cumulet.simulator.volume import Faults, SimulatedVolumes
from cumulet.volume import app
from cumulet.volume.service import Volume
from cumulet.volume.tables import jobs
from tests.support import Client, StaticVerifier, caller

IMAGE, COMPUTE = "http://image.test", "http://compute.test"
CATALOG = [{"type": "image", "endpoints": [{"interface": "public", "url": IMAGE}]}]
LATEST = "3.71"
PROJECT = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
OTHER_PROJECT = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
ADMIN_PROJECT = "cccccccccccccccccccccccccccccccc"
SERVICE_PROJECT = "dddddddddddddddddddddddddddddddd"
IMAGE_ID = "11111111-1111-4111-8111-111111111111"
MISSING = "99999999-9999-4999-8999-999999999999"

PASSING = frozenset(
    (
        "creating",
        "downloading",
        "deleting",
        "extending",
        "retyping",
        "uploading",
        "attaching",
        "detaching",
        "reverting",
        "restoring-backup",
        "backing-up",
        "managing",
        "restoring",
        "unmanaging",
    )
)


def _caller(*roles: str, **rest: Any) -> Context:
    return caller(*roles, token={"catalog": CATALOG}, **rest)


CALLERS = {
    "admin": _caller("admin", "member", "reader", user_id="admin", project_id=ADMIN_PROJECT),
    "member": _caller("member", "reader", user_id="member", project_id=PROJECT),
    "reader": _caller("reader", user_id="reader", project_id=PROJECT),
    "other": _caller("member", "reader", user_id="other", project_id=OTHER_PROJECT),
    "nova": _caller("admin", "service", user_id="nova", project_id=SERVICE_PROJECT),
}


class Peers(Session):
    """Volume's own login, without an Identity."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport, "http://identity.test/v3", "cinder", "")

    def token(self) -> str:
        return "cinder"

    def endpoint(self, *service_types: str, interface: str = "internal") -> str:
        return {"image": IMAGE, "compute": COMPUTE}[service_types[0]]


class Callers(StaticVerifier):
    """Gives each request a Context of its own, as the real one does: a service's token is written into it."""

    def verify(self, token: str, *, asked_by: str | None = None) -> Context | None:
        found = super().verify(token, asked_by=asked_by)
        return None if found is None else msgspec.structs.replace(found)


class KnownCallers(Environment):
    """An environment that knows tokens by heart."""

    def authenticator(self, *service_types: str) -> TokenAuthenticator:
        return TokenAuthenticator(
            Callers(**CALLERS), service_types=service_types, www_authenticate="http://cloud.test:5000"
        )

    def service_session(self, user: str) -> Session:
        return Peers(self.transport)


class Images:
    """Image with its images in a dictionary; uploads are remembered."""

    def __init__(self) -> None:
        self.images: dict[str, dict[str, Any]] = {
            IMAGE_ID: {
                "id": IMAGE_ID,
                "name": "cirros",
                "status": "active",
                "min_ram": 64,
                "min_disk": 1,
                "size": 1 << 20,
                "disk_format": "qcow2",
                "container_format": "bare",
                "checksum": "0" * 32,
                "visibility": "public",
                "hw_qemu_guest_agent": "yes",
            }
        }
        self.data: dict[str, bytes] = {}
        self.app = falcon.App()
        self.app.add_route("/v2/images", self, suffix="all")
        self.app.add_route("/v2/images/{image_id}", self, suffix="one")
        self.app.add_route("/v2/images/{image_id}/file", self, suffix="file")

    def on_post_all(self, req: falcon.Request, resp: falcon.Response) -> None:
        image = {"id": req.media.get("id") or f"22222222-2222-4222-8222-{len(self.images):012d}", **req.media}
        if image["id"] in self.images:
            resp.status = 409
            return
        self.images[image["id"]] = image | {"status": "queued"}
        resp.status, resp.media = 201, self.images[image["id"]]

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        if image_id not in self.images:
            raise falcon.HTTPNotFound
        resp.media = self.images[image_id]

    def on_delete_one(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        if self.images.pop(image_id, None) is None:
            raise falcon.HTTPNotFound
        resp.status = 204

    def on_put_file(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        self.data[image_id] = req.bounded_stream.read()
        self.images[image_id] |= {"status": "active", "size": len(self.data[image_id])}
        resp.status = 204

    def on_get_file(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        resp.data = self.data.get(image_id, b"")


class LocalImages(AgentImages):
    """The agent's side of Image without sockets."""

    def __init__(self, folder: Path, images: Images) -> None:
        super().__init__(folder)
        self._images = images

    def _download(self, image: AgentImage, file: Path) -> None:
        file.write_bytes(self._images.data.get(image.id, b""))

    def _put(self, upload: Upload, device: BlockDevice, size: int) -> int:
        self._images.data[upload.id] = device.read(0, size)
        self._images.images[upload.id] |= {"status": "active", "size": size}
        return size


class Servers:
    """Compute as far as Volume asks it: external events are remembered."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.attached: dict[tuple[str, str], str] = {}
        self.app = falcon.App()
        self.hosts: dict[str, str] = {}
        self.swaps: list[tuple[str, str, str]] = []
        self.swap_status = 202
        self.app.add_route("/servers/{server_id}", self, suffix="server")
        self.app.add_route("/servers/{server_id}/os-volume_attachments/{volume_id}", self, suffix="attachment")
        self.app.add_route("/os-server-external-events", self, suffix="events")

    def on_get_server(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> None:
        if server_id not in self.hosts:
            raise falcon.HTTPNotFound
        resp.media = {"server": {"id": server_id, "OS-EXT-SRV-ATTR:host": self.hosts[server_id]}}

    def on_get_attachment(self, req: falcon.Request, resp: falcon.Response, server_id: str, volume_id: str) -> None:
        found = self.attached.get((server_id, volume_id))
        if found is None:
            raise falcon.HTTPNotFound
        resp.media = {"volumeAttachment": {"attachment_id": found}}

    def on_put_attachment(self, req: falcon.Request, resp: falcon.Response, server_id: str, volume_id: str) -> None:
        """A swap; what Compute does then, tests do."""
        resp.status = self.swap_status
        if self.swap_status == 202:
            self.swaps.append((server_id, volume_id, req.media["volumeAttachment"]["volumeId"]))

    def on_post_events(self, req: falcon.Request, resp: falcon.Response) -> None:
        self.events += req.media["events"]
        resp.media = {"events": req.media["events"]}


class Cloud:
    """Everything together. `options` are lines of cinder.conf; `hosts` the simulated back ends by host name."""

    def __init__(
        self, state: Path, make_url: Callable[[str], str], options: str = "", *, durable: bool = False
    ) -> None:
        self.state = state
        self.images = Images()
        self.servers = Servers()
        self.drivers: dict[str, SimulatedVolumes] = {}
        transport = Transport(local={IMAGE: self.images.app, COMPUTE: self.servers.app})
        self.env = KnownCallers(Settings(state_dir=str(state)), transport)
        self.env.paths.make()
        lines = ["[DEFAULT]", options, "[database]", f"connection = {make_url('volume')}"]
        lines.append(f"sqlite_synchronous = {durable}")
        (self.env.paths.config / "cinder.conf").write_text("\n".join(lines))
        self.service: Volume = app.build_service(self.env)
        migrate.upgrade(self.service.db, app.SCHEMA)
        app.prepare(self.service, {})
        self.bus = MemoryBus()
        self.service.__dict__["bus"] = self.bus
        self.wsgi: Callable[..., Iterable[bytes]] = app.build_api(self.service)
        self.client = Client(self.wsgi)
        self.hosts: dict[str, SimulatedVolumes] = {}
        self.stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.serve("engine", app.build_methods(self.service))

    def _start(self, target: Callable[..., None], *args: Any, **rest: Any) -> None:
        thread = threading.Thread(target=target, args=args, kwargs=rest, daemon=True)
        thread.start()
        self._threads.append(thread)

    def serve(self, host: str, methods: Mapping[str, Callable[..., Any]]) -> None:
        ready = threading.Event()
        self._start(self.bus.serve, host, methods, self.stop, ready=ready)
        assert ready.wait(30)

    def start_engine(self) -> None:
        engine = Engine([("volume", self.service.db, jobs, app.build_jobs(self.service), self.service)])
        self.service.__dict__["wake"] = lambda: engine.wake("volume")
        self._start(engine.run, self.stop)

    def add_host(self, name: str, *, faults: Faults | None = None, total_gb: int = 1000) -> SimulatedVolumes:
        """A host with a simulated back end, `NAME@simulated`, that has reported."""
        folder = self.state / name
        driver = SimulatedVolumes(folder / "volumes", faults=faults, total_gb=total_gb)
        agent = Agent(
            self.bus,
            name,
            {"simulated": driver},
            images=LocalImages(folder / "images", self.images),
            backups=Repository(self.state / "backups", algorithm="none"),
            report_s=5.0,
        )
        self.drivers[name] = driver
        self.serve(name, agent.methods())
        self._start(agent.run, self.stop)
        self.hosts[name] = driver
        self.until(lambda: name in self._reported())
        return driver

    def _reported(self) -> list[str]:
        pools = self.json("GET", "/scheduler-stats/get_pools", "admin")["pools"]
        return [pool["name"].partition("@")[0] for pool in pools]

    def close(self) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(timeout=30)
        self.bus._threads.shutdown(wait=True)
        self.service.db.close()

    def until(self, done: Callable[[], Any], seconds: float = 60.0) -> Any:
        end = time.monotonic() + seconds
        while not (found := done()):
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.01)
        return found

    # -- the API ---------------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, token: str = "member", version: str = LATEST, **rest: Any) -> Response:
        """`path` follows `/v3/<the caller's project>`."""
        headers = {"OpenStack-API-Version": f"volume {version}", **rest.pop("headers", {})}
        project = CALLERS[token].project_id if token in CALLERS else PROJECT
        return self.client.request(method, f"/v3/{project}{path}", token=token, headers=headers, **rest)

    def json(self, method: str, path: str, token: str = "member", *, status: int = 200, **rest: Any) -> Any:
        """The decoded answer, which must have the status."""
        answer = self.call(method, path, token, **rest)
        assert answer.status == status, (answer.status, answer.body)
        return answer.json() if answer.body else None

    def create(self, token: str = "member", *, status: int = 202, **fields: Any) -> Any:
        """POST /volumes; the answer's volume or error."""
        answer = self.json("POST", "/volumes", token, status=status, json={"volume": {"size": 1, **fields}})
        return answer["volume"] if status == 202 else next(iter(answer.values()))

    def show(self, volume_id: str, token: str = "admin") -> Any:
        return self.json("GET", f"/volumes/{volume_id}", token)["volume"]

    def settled(self, volume_id: str, noun: str = "volumes", *, passing: Collection[str] = PASSING) -> Any:
        """The volume (or snapshot) once nothing is being done to it."""

        def look() -> Any:
            found = self.json("GET", f"/{noun}/{volume_id}", "admin")[noun.removesuffix("s")]
            return found if found["status"] not in passing else None

        return self.until(look)

    def available(self, **fields: Any) -> Any:
        volume = self.settled(self.create(**fields)["id"])
        assert volume["status"] == "available", volume
        return volume

    def act(self, volume_id: str, action: str, given: Any = None, token: str = "member", *, status: int = 202) -> Any:
        return self.json("POST", f"/volumes/{volume_id}/action", token, status=status, json={action: given or {}})

    def is_gone(self, volume_id: str, noun: str = "volumes") -> bool:
        return self.call("GET", f"/{noun}/{volume_id}", "admin").status == 404
