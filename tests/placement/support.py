"""Making a Placement service for tests, on a database of the test's choice and with tokens it knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cumulet.kernel import migrate
from cumulet.kernel.auth import TokenAuthenticator
from cumulet.kernel.client import Response
from cumulet.kernel.environment import Environment
from cumulet.kernel.settings import Settings
from cumulet.placement import app
from cumulet.placement.service import Placement
from tests.support import Client, StaticVerifier, caller

CALLERS = {
    "admin": caller("admin", "member", "reader", user_id="admin", project_id="admin-project"),
    "service": caller("service", user_id="nova", project_id="service-project"),
    "reader": caller("reader", user_id="reader", project_id="project-of-reader"),
    "system": caller("admin", user_id="admin", project_id=None, system_scope="all"),
}
LATEST = "placement 1.39"

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def uuid(number: int) -> str:
    """An id that reads like its number."""
    return f"00000000-0000-0000-0000-{number:012d}"


class KnownCallers(Environment):
    """An environment that knows tokens by heart."""

    def authenticator(self, *service_types: str) -> TokenAuthenticator:
        return TokenAuthenticator(
            StaticVerifier(**CALLERS), service_types=service_types, www_authenticate="http://cloud.test:5000"
        )


def make_placement(
    state: Path, database_url: str | None = None, *, options: str = "", policy: str = "", durable: bool = False
) -> Placement:
    """`options` are lines of placement.conf's [placement], `policy` is a policy.yaml."""
    environment = KnownCallers(Settings(state_dir=str(state)))
    environment.paths.make()
    lines = ["[placement]", options, "[database]", f"sqlite_synchronous = {durable}"]
    if database_url is not None:
        lines += ["[placement_database]", f"connection = {database_url}"]
    (environment.paths.config / "placement.conf").write_text("\n".join(lines))
    if policy:
        (environment.paths.config / "placement").mkdir(exist_ok=True)
        (environment.paths.config / "placement" / "policy.yaml").write_text(policy)
    placement = app.build_service(environment)
    migrate.upgrade(placement.db, app.SCHEMA)
    app.prepare(placement, {})
    return placement


class Api(Client):
    """Asks the newest microversion as an administrator, unless told otherwise."""

    def __init__(self, placement: Placement, token: str = "admin", version: str = LATEST) -> None:
        super().__init__(app.build_api(placement), **{"X-Auth-Token": token, "OpenStack-API-Version": version})

    def at(self, version: str, method: str, path: str, **rest: Any) -> Response:
        """One request at another microversion: `api.at("1.13", "GET", "/traits")`."""
        return self.request(method, path, headers={"OpenStack-API-Version": f"placement {version}"}, **rest)

    def provider(
        self,
        uuid: str,
        *,
        parent: str | None = None,
        traits: Iterable[str] = (),
        aggregates: Iterable[str] = (),
        **inventories: int | dict[str, Any],
    ) -> str:
        """Make a provider with all it has; an inventory is a total or its attributes."""
        made = self.post("/resource_providers", {"uuid": uuid, "name": f"name-{uuid}", "parent_provider_uuid": parent})
        assert made.status == 200, made.body
        generation = made.json()["generation"]
        path = f"/resource_providers/{uuid}"
        whole = {name: {"total": one} if isinstance(one, int) else one for name, one in inventories.items()}
        for part, value in (("inventories", whole), ("traits", list(traits)), ("aggregates", list(aggregates))):
            if value:
                answer = self.put(f"{path}/{part}", {"resource_provider_generation": generation, part: value})
                assert answer.status == 200, answer.body
                generation = answer.json()["resource_provider_generation"]
        return uuid

    def allocate(self, consumer: str, generation: int | None = None, **rest: Any) -> Response:
        """`api.allocate(consumer, allocations={provider: {"VCPU": 1}})`"""
        amounts = rest.pop("allocations")
        body = {
            "allocations": {uuid: {"resources": resources} for uuid, resources in amounts.items()},
            "project_id": "project",
            "user_id": "user",
            "consumer_generation": generation,
            "consumer_type": "INSTANCE",
            **rest,
        }
        return self.put(f"/allocations/{consumer}", body)
