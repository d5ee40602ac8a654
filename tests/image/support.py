"""An Image service of the tests' own, asked through WSGI, with an engine that runs its jobs on demand."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cumulet.image import app, tables
from cumulet.image.service import ImageService
from cumulet.kernel import migrate
from cumulet.kernel.auth import TokenAuthenticator
from cumulet.kernel.client import Response, Transport
from cumulet.kernel.context import Context
from cumulet.kernel.engine import Engine
from cumulet.kernel.environment import Environment
from cumulet.kernel.jobs import backlog
from cumulet.kernel.settings import Settings
from tests.image.openapi import problems
from tests.support import Client, StaticVerifier, caller

OCTETS = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
CALLERS = {
    "admin": caller("admin", "manager", "member", "reader", user_id="admin", project_id="admin"),
    "member": caller("member", "reader", user_id="member", project_id="project", auth_token="member"),
    "reader": caller("reader", user_id="reader", project_id="project"),
    "other": caller("member", "reader", user_id="other", project_id="other"),
    "third": caller("member", "reader", user_id="third", project_id="third"),
    "service": caller("admin", "service", user_id="nova", project_id="service"),
    "system": caller("admin", user_id="system", project_id=None, system_scope="all"),
}


@dataclass
class TestEnvironment(Environment):
    """An environment whose tokens are the tests'."""

    __test__ = False
    tokens: dict[str, Context] = field(default_factory=dict)

    def authenticator(self, *service_types: str) -> TokenAuthenticator:
        verifier = StaticVerifier(**self.tokens)
        return TokenAuthenticator(verifier, service_types=service_types, www_authenticate="http://identity.test")


class Images:
    """An Image service and its clients. `options` are lines of glance-api.conf."""

    def __init__(self, database_url: str, state: Path, options: str = "", *, durable: bool = False) -> None:
        env = TestEnvironment(Settings(state_dir=str(state)), Transport(), tokens=dict(CALLERS))
        env.paths.make()
        conf = f"{options}\n[database]\nconnection = {database_url}\nsqlite_synchronous = {durable}\n"
        (env.paths.config / "glance.conf").write_text(conf)
        self.state = state
        self.env = env
        self.service: ImageService = app.build_service(env)
        migrate.upgrade(self.service.db, app.SCHEMA)
        self.wsgi: Callable[..., Iterable[bytes]] = app.build_api(self.service)
        self.client = Client(self.wsgi)

    def close(self) -> None:
        self.service.db.close()

    def call(self, method: str, path: str, token: str | None = "member", **rest: Any) -> Response:
        answer = self.client.request(method, path, token=token, **rest)
        wrong = problems(method, path, answer)
        assert not wrong, wrong
        return answer

    def json(self, method: str, path: str, token: str | None = "member", *, status: int = 200, **rest: Any) -> Any:
        """The decoded answer, which must have the status."""
        headers = {"Accept": "application/json", **rest.pop("headers", {})}
        answer = self.call(method, path, token, headers=headers, **rest)
        assert answer.status == status, (answer.status, answer.body)
        return answer.json() if answer.body else None

    def create(self, token: str = "member", **body: Any) -> Any:
        body.setdefault("disk_format", "raw")
        body.setdefault("container_format", "bare")
        return self.json("POST", "/v2/images", token, json=body, status=201)

    def upload(self, image_id: str, data: bytes, token: str = "member", **headers: str) -> Response:
        return self.call("PUT", f"/v2/images/{image_id}/file", token, data=data, headers={**OCTETS, **headers})

    def active(self, data: bytes = b"data", token: str = "member", **body: Any) -> Any:
        image = self.create(token, **body)
        answer = self.upload(image["id"], data, token)
        assert answer.status == 204, answer.body
        return self.show(image["id"], token)

    def show(self, image_id: str, token: str = "member") -> Any:
        return self.json("GET", f"/v2/images/{image_id}", token)

    def data(self, image_id: str, token: str = "member") -> bytes:
        answer = self.call("GET", f"/v2/images/{image_id}/file", token)
        assert answer.status == 200, answer.body
        return answer.body

    def patch(self, image_id: str, *changes: Any, token: str = "member") -> Response:
        return self.call("PATCH", f"/v2/images/{image_id}", token, json=list(changes), headers=PATCH)

    def replace(self, image_id: str, name: str, value: Any, token: str = "member") -> Response:
        return self.patch(image_id, {"op": "replace", "path": f"/{name}", "value": value}, token=token)

    def run_jobs(self) -> None:
        """Run an engine until nothing is due."""
        stop = threading.Event()
        engine = Engine([("image", self.service.db, tables.jobs, app.build_jobs(self.service), self.service)])
        thread = threading.Thread(target=engine.run, args=(stop,))
        thread.start()
        try:
            deadline = time.monotonic() + 60
            while self._open_jobs():
                assert time.monotonic() < deadline, "the jobs do not end"
                engine.wake()
                time.sleep(0.01)
        finally:
            stop.set()
            engine.wake()
            thread.join()

    def run_once(self) -> None:
        """Run an engine until no job is due that it has not tried."""
        stop = threading.Event()
        engine = Engine([("image", self.service.db, tables.jobs, app.build_jobs(self.service), self.service)])
        thread = threading.Thread(target=engine.run, args=(stop,))
        thread.start()
        try:
            deadline = time.monotonic() + 60
            while self._untried_jobs():
                assert time.monotonic() < deadline, "the jobs are not tried"
                engine.wake()
                time.sleep(0.01)
        finally:
            stop.set()
            engine.wake()
            thread.join()

    def _untried_jobs(self) -> int:
        columns = tables.jobs.c
        query = sa.select(sa.func.count()).where(
            columns.state.in_(("queued", "running")),
            columns.last_error.is_(None),
            columns.deadline_at.is_not(None),  # what is done again and again has none
        )
        with self.service.db.read() as connection:
            return int(connection.execute(query).scalar_one())

    def _open_jobs(self) -> int:
        with self.service.db.read() as connection:
            return backlog(connection, tables.jobs).open

    def files(self) -> list[str]:
        """Every file below the state directory that could be an image's data, relative to it."""
        roots = [self.state / "images", self.state / "staging", self.state / "cache"]
        found = [path for root in roots if root.exists() for path in root.rglob("*") if path.is_file()]
        return sorted(str(path.relative_to(self.state)) for path in found)


class Chunked:
    """Sends a body without a length, from a source of the test's choice, through WSGI; with `length` one that has."""

    def __init__(self, images: Images, source: Any, length: int | None = None) -> None:
        self.images = images
        self.source = source
        self.length = length
        self.status = 0
        self.body = b""

    def put(self, path: str, token: str = "member") -> int:
        environ = {
            "REQUEST_METHOD": "PUT",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "cloud.test",
            "SERVER_PORT": "1",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "cloud.test:1",
            "HTTP_X_AUTH_TOKEN": token,
            **({"HTTP_TRANSFER_ENCODING": "chunked"} if self.length is None else {"CONTENT_LENGTH": str(self.length)}),
            "CONTENT_TYPE": "application/octet-stream",
            "wsgi.input": self.source,
            "wsgi.errors": io.StringIO(),
            "wsgi.url_scheme": "http",
            "wsgi.version": (1, 0),
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        started: list[int] = []
        self.body = b"".join(self.images.wsgi(environ, lambda status, headers, e=None: started.append(int(status[:3]))))
        self.status = started[-1]
        return self.status
