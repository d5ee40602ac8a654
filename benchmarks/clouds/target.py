"""A cloud to measure: its login, requests to it, and a project of its own for what is made there."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import urllib3
from benchmarks.load import Request, cpu_of

NAME = "bench"
_THREADS = 8
_IDLE_S = 5.0
_ANSWER_S = 60.0
_CLEANING_S = 180.0


class Late(Exception):
    """A part took longer than it may."""


class Refused(Exception):
    """The cloud answered with an error."""


class Case(NamedTuple):
    """What is measured: a request sent over and over, or something done once that returns how many it did."""

    name: str
    request: Request | None = None
    once: Callable[[], int] | None = None


Part = Callable[["Target", int], AbstractContextManager[list[Case]]]
"""Makes `rows` things, gives the cases, and takes away what was made; a cloud without the service: LookupError."""


@dataclass
class Target:
    """`pids`: the cloud's processes; their children count too. `idle`: cores they use when nobody asks them."""

    name: str
    auth_url: str
    user: str
    password: str
    pids: tuple[int, ...]
    token: str = ""
    user_id: str = ""
    project: str = ""
    catalog: dict[str, str] = field(default_factory=dict)
    idle: float = 0.0
    deadline: float = float("inf")

    def __post_init__(self) -> None:
        self._pool = urllib3.PoolManager(maxsize=_THREADS)

    # -- life ---------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Log in, and make the project that everything is in."""
        before = cpu_of(self.pids)
        time.sleep(_IDLE_S)
        self.idle = (cpu_of(self.pids) - before) / _IDLE_S
        self.login({"name": self.user, "domain": {"id": "default"}})
        role = self.call("GET", f"{self.auth_url}/roles?name=admin")["roles"][0]["id"]
        wanted = {"project": {"name": f"{NAME}-{uuid.uuid4().hex}", "domain_id": "default"}}
        self.project = self.call("POST", f"{self.auth_url}/projects", wanted)["project"]["id"]
        self.call("PUT", f"{self.auth_url}/projects/{self.project}/users/{self.user_id}/roles/{role}")

    def login(self, project: dict[str, Any] | None = None) -> None:
        """Anew, in the project of its own unless told otherwise."""
        user = {"name": self.user, "domain": {"id": "default"}, "password": self.password}
        scope = {"project": project or {"id": self.project}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        answer = self._send("POST", f"{self.auth_url}/auth/tokens", body)
        token = answer.json()["token"]
        self.token, self.user_id = answer.headers["X-Subject-Token"], token["user"]["id"]
        self.catalog = {
            entry["type"]: endpoint["url"].rstrip("/")
            for entry in token["catalog"]
            for endpoint in entry["endpoints"]
            if endpoint["interface"] == "public"
        }

    def end(self) -> None:
        """Delete the project, and the security group that Network gave it."""
        if self.project:
            self.login({"name": self.user, "domain": {"id": "default"}})
            if "network" in self.catalog:
                groups = f"{self.catalog['network']}/v2.0/security-groups"
                listed = self.call("GET", f"{groups}?project_id={self.project}")["security_groups"]
                self.delete(groups, [one["id"] for one in listed])  # once: to list them makes `default` anew
            self.call("DELETE", f"{self.auth_url}/projects/{self.project}")

    def begin_cleaning(self) -> None:
        """A time of its own, however late the part is."""
        self.deadline = time.monotonic() + _CLEANING_S

    # -- requests -----------------------------------------------------------------------------------------------------

    def url(self, *types: str) -> str:
        """The public endpoint of the first of these types that the catalog has. LookupError when it has none."""
        found = next((self.catalog[one] for one in types if one in self.catalog), None)
        if found is None:
            raise LookupError(f"{self.name} has no {types[0]} service")
        return found

    def call(self, method: str, url: str, body: Any = None, **headers: str) -> Any:
        """The decoded answer. Refused for an error, Late after the deadline."""
        answer = self._send(method, url, body, headers)
        return answer.json() if answer.data else None

    def _send(self, method: str, url: str, body: Any, more: dict[str, str] | None = None) -> urllib3.BaseHTTPResponse:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise Late("the part's time is over")
        headers = {"X-Auth-Token": self.token, "Content-Type": "application/json", **(more or {})}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        answer = self._pool.request(
            method, url, body=data, headers=headers, timeout=min(left, _ANSWER_S), retries=False, redirect=False
        )
        if answer.status >= 400:
            raise Refused(f"{method} {url}: {answer.status} {answer.data[:300].decode(errors='replace')}")
        return answer

    def each(self, do: Callable[[Any], Any], things: Iterable[Any]) -> list[Any]:
        """A few at a time."""
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(do, things))

    def create(self, url: str, member: str, bodies: Iterable[dict[str, Any]]) -> list[str]:
        """Ids of what was made."""

        def one(body: dict[str, Any]) -> str:
            answer = self.call("POST", url, {member: body} if member else body)
            return str((answer[member] if member else answer)["id"])

        return self.each(one, bodies)

    def delete(self, url: str, ids: Iterable[str]) -> int:
        """How many were asked to go. One that is gone already, or busy going, is no error."""
        return len(self.each(lambda one: self._delete(f"{url}/{one}"), ids))

    def _delete(self, url: str) -> None:
        try:
            self.call("DELETE", url)
        except Refused as error:
            if not any(f": {status} " in str(error) for status in (400, 404, 409)):
                raise

    def clear(self, listing: str, member: str, url: str) -> int:
        """Delete what a list shows until it is empty; how many there were."""
        asked: set[str] = set()
        while found := [one["id"] for one in self.call("GET", listing)[member]]:
            fresh = [one for one in found if one not in asked]
            self.delete(url, fresh)
            asked.update(fresh)
            if not fresh:
                time.sleep(0.2)
        return len(asked)

    def until(self, condition: Callable[[], bool]) -> None:
        """Late when it does not come true before the part's end."""
        while not condition():
            if time.monotonic() > self.deadline:
                raise Late("waited until the part's time was over")
            time.sleep(0.2)
