"""How the other services check the tokens that come to them, against the real Identity."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator
from typing import Any

import falcon
import falcon.testing
import pytest

from cumulet.identity import app
from cumulet.identity.domain import users
from cumulet.identity.domain.aws_signatures import canonical_query
from cumulet.kernel.auth import IdentityVerifier, TokenAuthenticator
from cumulet.kernel.client import Transport
from cumulet.kernel.context import Context
from cumulet.kernel.db import TransactionLost
from cumulet.kernel.errors import ServiceUnavailable, Unauthorized
from tests.identity.login import Cloud, make_clock, token_of
from tests.support import BASE

Ask = Callable[..., Context | None]


@pytest.fixture(scope="module")
def cloud(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    made = Cloud(module_database_url, tmp_path_factory.mktemp("state"))
    yield made
    made.identity.db.close()


@pytest.fixture(scope="module")
def ask(cloud: Cloud) -> Ask:
    """What Compute makes of a request with these tokens; None for a refusal."""
    verifier = IdentityVerifier(Transport(local={BASE: app.build_api(cloud.identity)}), f"{BASE}/v3")
    authenticate = TokenAuthenticator(verifier, service_types=("compute",), www_authenticate=BASE)

    def ask(token: str, path: str = "/v2.1/servers", service_token: str | None = None) -> Context | None:
        headers = {"X-Auth-Token": token} | ({"X-Service-Token": service_token} if service_token else {})
        request = falcon.Request(falcon.testing.create_environ(path, headers=headers))
        try:
            return authenticate(request, required=True)
        except Unauthorized:
            return None

    return ask


def caller(found: Context | None) -> Context:
    assert found is not None
    return found


def test_a_token_becomes_its_caller(cloud: Cloud, ask: Ask) -> None:
    user, project = cloud.member()
    found = caller(ask(cloud.token(user.name, project_id=project)))
    assert (found.user_id, found.project_id, set(found.roles)) == (user.id, project, {"member", "reader"})
    assert ask("x") is None


def test_a_revoked_token_is_refused_from_the_next_request_on(cloud: Cloud, ask: Ask) -> None:
    user, project = cloud.member()
    token = cloud.token(user.name, project_id=project)
    for _ in range(3):
        caller(ask(token))
    cloud.take("member", user.id, project_id=project)
    assert ask(token) is None
    token = cloud.token(user.name)
    caller(ask(token))
    users.update(cloud.identity, user.id, {"password": "another one"}, {})
    assert ask(token) is None


def test_a_known_token_is_not_trusted_without_identitys_database(
    cloud: Cloud, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, project = cloud.member()
    token = cloud.token(user.name, project_id=project)
    caller(ask(token))

    def fail() -> int:
        raise TransactionLost("the server is gone")

    with monkeypatch.context() as patched:
        patched.setattr(cloud.identity.tokens.generation, "read", fail)
        with pytest.raises(ServiceUnavailable):
            ask(token)
    caller(ask(token))


def test_access_rules_are_kept_by_the_service_they_are_for(cloud: Cloud, ask: Ask) -> None:
    user, project = cloud.member()
    rules = [{"service": "compute", "path": "/v2.1/servers/**", "method": "GET"}]
    body = {"application_credential": {"name": "robot", "access_rules": rules}}
    path = f"/v3/users/{user.id}/application_credentials"
    made = cloud.client.post(path, body, token=cloud.token(user.name, project_id=project)).json()
    proof = {name: made["application_credential"][name] for name in ("id", "secret")}
    token = token_of(cloud.auth({"methods": ["application_credential"], "application_credential": proof}))
    assert caller(ask(token, "/v2.1/servers/1")).user_id == user.id
    assert ask(token, "/v2.1/flavors") is None
    assert cloud.client.get("/v3/auth/projects", token=token).status == 401


def test_a_token_of_a_signed_ec2_request_is_for_services_alone(cloud: Cloud, ask: Ask) -> None:
    user, project = cloud.member()
    path = f"/v3/users/{user.id}/credentials/OS-EC2"
    owner = cloud.token(user.name, project_id=project)
    made = cloud.client.post(path, {"tenant_id": project}, token=owner).json()["credential"]
    params = {"SignatureVersion": "2", "SignatureMethod": "HmacSHA256", "AWSAccessKeyId": made["access"]}
    to_sign = f"GET\nec2\n/\n{canonical_query(params)}".encode()
    signature = base64.b64encode(hmac.new(made["secret"].encode(), to_sign, hashlib.sha256).digest()).decode()
    request: dict[str, Any] = {"access": made["access"], "signature": signature, "host": "ec2"}
    request |= {"verb": "GET", "path": "/", "params": params}
    answer = cloud.client.post("/v3/ec2tokens", {"credentials": request}, token=cloud.admin_token)
    token = answer.headers["x-subject-token"]
    assert caller(ask(token)).user_id == user.id
    assert cloud.client.get("/v3/auth/projects", token=token).status == 403


def test_a_service_finishes_what_began_while_the_token_was_good(
    cloud: Cloud, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud.identity, "now", cloud.identity.now)
    clock = make_clock(cloud.identity)
    user, project = cloud.member()
    nova, service_project = cloud.member("service")
    token = cloud.token(user.name, project_id=project)
    clock.pass_(hours=1.1)
    service = cloud.token(nova.name, project_id=service_project)
    other = cloud.token(user.name, project_id=project)
    assert ask(token) is None
    found = caller(ask(token, service_token=service))
    assert (found.user_id, found.service_user_id, found.service_roles) == (user.id, nova.id, ("service",))
    assert ask(token, service_token=other) is None
    assert ask(other, service_token=token) is None
