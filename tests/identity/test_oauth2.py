"""OAuth 2.0 client credentials: an application credential under another name."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from cumulet.kernel.client import Response
from tests.identity.login import Cloud

PATH = "/v3/OS-OAUTH2/token"
GRANT = b"grant_type=client_credentials"


@pytest.fixture(scope="module")
def cloud(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    made = Cloud(module_database_url, tmp_path_factory.mktemp("state"))
    yield made
    made.identity.db.close()


@pytest.fixture(scope="module")
def robot(cloud: Cloud) -> dict[str, Any]:
    user, project = cloud.member()
    body = {"application_credential": {"name": "robot"}}
    path = f"/v3/users/{user.id}/application_credentials"
    answer = cloud.client.post(path, body, token=cloud.token(user.name, project_id=project))
    made: dict[str, Any] = answer.json()["application_credential"]
    return made


def basic(name: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


def post(cloud: Cloud, form: bytes, headers: dict[str, str] | None = None) -> Response:
    sent = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
    return cloud.client.request("POST", PATH, data=form, headers=sent)


def test_a_client_gets_a_token(cloud: Cloud, robot: dict[str, Any]) -> None:
    form = GRANT + f"&client_id={robot['id']}&client_secret={robot['secret']}".encode()
    for answer in (post(cloud, GRANT, basic(robot["id"], robot["secret"])), post(cloud, form)):
        assert answer.status == 200
        assert answer.headers["cache-control"] == "no-store"
        said = answer.json()
        assert said["token_type"] == "Bearer"
        assert 3590 < said["expires_in"] <= 3600
        token = cloud.validate(said["access_token"]).json()["token"]
        assert token["application_credential"]["id"] == robot["id"]


def test_a_client_that_is_none_gets_oauths_refusal(cloud: Cloud, robot: dict[str, Any]) -> None:
    attempts = [
        post(cloud, GRANT),
        post(cloud, GRANT, basic(robot["id"], "wrong")),
        post(cloud, GRANT, basic("nobody", "wrong")),
        post(cloud, GRANT, basic("", "")),
        post(cloud, GRANT, {"Authorization": "Basic x"}),
        post(cloud, GRANT, {"Authorization": "Basic " + base64.b64encode(b"nocolon").decode()}),
        post(cloud, GRANT, {"Authorization": "Bearer x"}),
        post(cloud, GRANT + f"&client_id={robot['id']}".encode()),
    ]
    for answer in attempts:
        assert answer.status == 401
        assert answer.json() == {"error": "invalid_client", "error_description": "Client authentication failed."}
        assert "www-authenticate" in answer.headers


def test_a_request_that_is_none_is_explained(cloud: Cloud) -> None:
    missing = post(cloud, b"")
    assert (missing.status, missing.json()["error"]) == (400, "invalid_request")
    other = post(cloud, b"grant_type=password")
    assert (other.status, other.json()["error"]) == (400, "unsupported_grant_type")
    assert post(cloud, b"grant_type=\xff").status == 400
    assert post(cloud, b"x" * 20_000).status == 400


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_a_token_is_only_asked_for_with_post(cloud: Cloud, method: str) -> None:
    answer = cloud.client.request(method, PATH)
    assert (answer.status, answer.json()["error"]) == (405, "other_error")


def test_an_operator_may_leave_it_out(database_url: str, tmp_path: Any) -> None:
    cloud = Cloud(database_url, tmp_path, "[oauth2]\noauth2_authn_methods = tls_client_auth\n")
    assert post(cloud, GRANT, basic("x", "y")).status == 401
    cloud.identity.db.close()
