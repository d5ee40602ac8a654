"""Network for tests: a real service on a database of the test's, and callers of several kinds without logging in."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from cumulet.kernel import migrate
from cumulet.kernel.auth import TokenAuthenticator
from cumulet.kernel.client import Response
from cumulet.kernel.context import Context
from cumulet.kernel.environment import Environment
from cumulet.kernel.settings import Settings
from cumulet.network import app
from cumulet.network.service import Network
from tests.network import openapi
from tests.support import Client, StaticVerifier, caller

ADMIN_ROLES = ("admin", "manager", "member", "reader")
CALLERS = {
    "admin": caller(*ADMIN_ROLES, user_id="admin", project_id="admins"),
    "nova": caller("service", "admin", "member", "reader", user_id="nova", project_id="service"),
    "manager": caller("manager", "member", "reader", user_id="manager", project_id="ours"),
    "member": caller("member", "reader", user_id="member", project_id="ours"),
    "reader": caller("reader", user_id="reader", project_id="ours"),
    "stranger": caller("member", "reader", user_id="stranger", project_id="theirs"),
    "nobody": caller(user_id="nobody", project_id="ours"),
}
_numbers = itertools.count(1)


def make_network(database_url: str, state: Path, options: str = "") -> Network:
    """Network with its tables in the database; `options` are lines of neutron.conf."""
    environment = Environment(Settings(state_dir=str(state)))
    environment.paths.make()
    conf = f"[DEFAULT]\n{options}\n[database]\nconnection = {database_url}\n"
    (environment.paths.config / "neutron.conf").write_text(conf)
    network = app.build_service(environment)
    migrate.upgrade(network.db, app.SCHEMA)
    return network


class Checked(Client):
    """A client whose every answer is held against the specification."""

    def request(self, method: str, path: str, **rest: Any) -> Response:
        answer = super().request(method, path, **rest)
        found = openapi.problems(method, path, answer)
        assert not found, f"{method} {path} is not as the specification says: {found}"
        return answer


class Refused(AssertionError):
    """The API refused what a test needed to work."""

    def __init__(self, answer: Response) -> None:
        super().__init__(f"{answer.status}: {answer.body.decode()}")
        self.answer = answer


class Api:
    """Asks the API as one of CALLERS. `api.make("port", network_id=…)` creates and returns what was made."""

    PATHS = {
        "policy": "/v2.0/qos/policies",
        "metering_label": "/v2.0/metering/metering-labels",
        "metering_label_rule": "/v2.0/metering/metering-label-rules",
        "service_profile": "/v2.0/service_profiles",
        "floatingip": "/v2.0/floatingips",
        "subnetpool": "/v2.0/subnetpools",
        "rbac_policy": "/v2.0/rbac-policies",
    }

    def __init__(self, network: Network, token: str = "member", known: StaticVerifier | None = None) -> None:
        self.network = network
        self.known = known or StaticVerifier(**CALLERS)
        self.token = token
        authenticate = TokenAuthenticator(
            self.known, service_types=("network",), www_authenticate="http://cloud.test:1"
        )
        self.client = Checked(app.build_api(network, authenticate), **{"X-Auth-Token": token})

    def as_(self, token: str, context: Context | None = None) -> Api:
        """As one of CALLERS, or as a new caller."""
        if context is not None:
            self.known.tokens[token] = context
        return Api(self.network, token, self.known)

    def path(self, noun: str) -> str:
        return self.PATHS.get(noun, f"/v2.0/{noun.replace('_', '-')}s")

    def make(self, noun: str, below: str = "", /, **attributes: Any) -> dict[str, Any]:
        """Raises Refused."""
        answer = self.client.post(below or self.path(noun), {noun: attributes})
        if answer.status != 201:
            raise Refused(answer)
        made: dict[str, Any] = answer.json()[noun]
        return made

    def show(self, noun: str, identifier: str) -> dict[str, Any]:
        answer = self.client.get(f"{self.path(noun)}/{identifier}")
        if answer.status != 200:
            raise Refused(answer)
        shown: dict[str, Any] = answer.json()[noun]
        return shown

    def change(self, noun: str, identifier: str, **attributes: Any) -> dict[str, Any]:
        answer = self.client.put(f"{self.path(noun)}/{identifier}", {noun: attributes})
        if answer.status != 200:
            raise Refused(answer)
        changed: dict[str, Any] = answer.json()[noun]
        return changed

    def delete(self, noun: str, identifier: str) -> None:
        answer = self.client.delete(f"{self.path(noun)}/{identifier}")
        if answer.status != 204:
            raise Refused(answer)

    def list(self, noun: str, query: str = "") -> list[dict[str, Any]]:
        answer = self.client.get(f"{self.path(noun)}{query}")
        if answer.status != 200:
            raise Refused(answer)
        (found,) = (value for key, value in answer.json().items() if not key.endswith("_links"))
        listed: list[dict[str, Any]] = found
        return listed

    def act(self, path: str, body: Any = None) -> Any:
        """PUT below `/v2.0/`. Raises Refused."""
        answer = self.client.put(f"/v2.0/{path}", body or {})
        if answer.status != 200:
            raise Refused(answer)
        return answer.json()

    # -- things tests often need -----------------------------------------------------------------------------------
    def network_with(self, cidr: str = "10.0.0.0/24", **attributes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """A network with one subnet; `attributes` are the subnet's."""
        made = self.make("network", name=f"net-{next(_numbers)}")
        version = 6 if ":" in cidr else 4
        subnet = self.make("subnet", **{"network_id": made["id"], "ip_version": version, "cidr": cidr, **attributes})
        return made, subnet

    def external(self, cidr: str = "172.24.4.0/24") -> dict[str, Any]:
        """An external network with a subnet, made by an administrator."""
        admin = self.as_("admin")
        made = admin.make("network", name=f"public-{next(_numbers)}", **{"router:external": True})
        admin.make("subnet", network_id=made["id"], ip_version=4, cidr=cidr, enable_dhcp=False)
        return made


def refusal(answer: Response) -> tuple[int, str]:
    """(status, type) of an error answer."""
    return answer.status, answer.json()["NeutronError"]["type"]
