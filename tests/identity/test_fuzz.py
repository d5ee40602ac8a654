"""Every operation of the Identity API, asked with whatever comes to mind: an answer, and never a failure.

`CUMULET_FUZZ_EXAMPLES` is how many requests each operation gets (20: about a minute for all of them; a HEAD, which is a
GET without its body, gets a third).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from cumulet.identity import app
from cumulet.identity.domain.bootstrap import BootstrapOptions, bootstrap
from cumulet.identity.service import Identity
from cumulet.kernel.ids import hex_id
from tests.fuzzing import Requests
from tests.identity import make
from tests.identity.conftest import Caller, make_identity
from tests.identity.openapi import SPECIFICATION, problems_of_error
from tests.support import Client

EXAMPLES = int(os.environ.get("CUMULET_FUZZ_EXAMPLES", "20"))
OPERATIONS = SPECIFICATION.operations()
OTHER_ERRORS = ("/v3/OS-OAUTH2/token",)  # RFC 6749's own form


class World:
    """A cloud with one of everything, and real tokens of its administrator."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        options = BootstrapOptions(admin_password="secret", region="RegionOne", public_url="http://cloud.test:1/v3")
        bootstrap(identity, options)
        self.client = Client(app.build_api(identity))
        self.setup = Caller(identity, "admin")
        self.made = 0

    def tokens(self) -> list[str]:
        """New ones each time: what is fuzzed may well have revoked the old ones, or deleted the user."""
        user = {"name": hex_id(), "password": "secret", "domain_id": "default"}
        user_id = self.setup.post("/v3/users", {"user": user}).json()["user"]["id"]
        project = make.project(self.identity, "default")
        role = self.setup.get("/v3/roles?name=admin").json()["roles"][0]["id"]
        for place in (f"projects/{project}", "system", "domains/default"):
            assert self.setup.put(f"/v3/{place}/users/{user_id}/roles/{role}").status == 204
        scopes = ({"project": {"id": project}}, {"system": {"all": True}}, {"domain": {"id": "default"}}, "unscoped")
        return [self._token(user_id, scope) for scope in scopes]

    def _token(self, user_id: str, scope: Any) -> str:
        identity = {"methods": ["password"], "password": {"user": {"id": user_id, "password": "secret"}}}
        answer = self.client.post("/v3/auth/tokens", {"auth": {"identity": identity, "scope": scope}})
        assert answer.status == 201, answer.body
        return answer.headers["x-subject-token"]

    def ids(self) -> dict[str, str]:
        """For each path parameter one that there is, new each time: what is fuzzed may delete them."""
        self.made += 1
        setup = self.setup
        ids = {"domain_id": make.domain(self.identity)}
        ids["project_id"] = make.project(self.identity, ids["domain_id"])
        ids["user_id"] = make.user(self.identity, ids["domain_id"])
        ids["group_id"] = make.group(self.identity, ids["domain_id"], ids["user_id"])
        ids["role_id"] = ids["prior_role_id"] = make.role(setup)
        ids["implied_role_id"] = make.role(setup)
        ids["region_id"] = make.region(setup, f"region-{self.made}")
        ids["service_id"] = make.service(setup)
        ids["endpoint_id"] = make.endpoint(setup, ids["service_id"], region_id=ids["region_id"])
        return ids | self._more(ids)

    def _more(self, ids: dict[str, str]) -> dict[str, str]:
        service = {"service_id": ids["service_id"], "resource_name": "loaves"}
        wanted: dict[str, tuple[str, str, dict[str, Any] | list[dict[str, Any]]]] = {
            "policy_id": ("policies", "policy", {"blob": "{}", "type": "x"}),
            "registered_limit_id": ("registered_limits", "registered_limits", [{**service, "default_limit": 1}]),
            "limit_id": ("limits", "limits", [{**service, "resource_limit": 1, "project_id": ids["project_id"]}]),
            "endpoint_group_id": (
                "OS-EP-FILTER/endpoint_groups",
                "endpoint_group",
                {"name": "x", "filters": {"service_id": ids["service_id"]}},
            ),
            "consumer_id": ("OS-OAUTH1/consumers", "consumer", {}),
            "credential_id": (
                "credentials",
                "credential",
                {"type": "totp", "blob": "x", "user_id": ids["user_id"], "project_id": ids["project_id"]},
            ),
        }
        found = {}
        for name, (path, noun, body) in wanted.items():
            made = self.setup.post(f"/v3/{path}", {noun: body})
            assert made.status == 201, made.body
            shown = made.json()[noun]
            found[name] = (shown[0] if isinstance(shown, list) else shown)["id"]
        return {**found, "group": "identity", "option": "driver", "value": "tag"}

    def link(self, ids: dict[str, str], path: str) -> None:
        """Put there what an operation on one link (a grant, a membership, a tag) is to find."""
        place = re.sub(r"\{(.*?)\}", lambda match: ids[match[1]], path)
        self.setup.put(place)


@pytest.fixture(scope="module")
def world(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    options = "[security_compliance]\nlockout_failure_attempts = 3\nunique_last_password_count = 2\n"
    identity = make_identity(module_database_url, tmp_path_factory.mktemp("state"), options)
    yield World(identity)
    identity.db.close()


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[f"{method} {path}" for method, path in OPERATIONS])
def test_an_operation_never_fails(world: World, method: str, path: str) -> None:
    requests = Requests(method, path, SPECIFICATION.described(method, path))
    tokens, ids = world.tokens(), world.ids()
    names = set(re.findall(r"{(.*?)}", path))
    if method != "put" and "put" in SPECIFICATION.paths[path] and names and names <= set(ids):
        world.link(ids, path)

    @given(requests.of(ids, tokens), st.sampled_from([*tokens[:1] * 6, *tokens, "bad", ""]))
    @settings(
        max_examples=EXAMPLES if method != "head" else EXAMPLES // 3 + 1,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def ask(request: dict[str, Any], token: str) -> None:
        headers = {name: value for name, value in request.pop("headers").items() if value}
        if token:
            headers["X-Auth-Token"] = token
        answer = world.client.request(requests.method, request.pop("path"), headers=headers, **request)
        note(f"{answer.status} {answer.body[:300]!r}")
        assert answer.status < 500
        if answer.status >= 400 and path not in OTHER_ERRORS:
            assert not list(problems_of_error(requests.method, answer))

    ask()
