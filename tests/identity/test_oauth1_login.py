"""Logging in with what a user let an OAuth 1 consumer do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import parse_qsl, quote

import pytest

from cumulet.identity.domain.oauth1_signatures import SignedRequest
from cumulet.identity.domain.users import User
from cumulet.kernel.client import Response
from cumulet.kernel.ids import hex_id
from tests.identity.login import Cloud, token_of
from tests.support import BASE

TOKENS = "/v3/auth/tokens"


@pytest.fixture(scope="module")
def cloud(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    made = Cloud(module_database_url, tmp_path_factory.mktemp("state"))
    yield made
    made.identity.db.close()


class Consumer(NamedTuple):
    cloud: Cloud
    id: str
    secret: str
    user: User
    project: str
    access: tuple[str, str]

    def log_in(self, *, secret: str | None = None) -> Response:
        headers = sign(TOKENS, (self.id, self.secret), (self.access[0], secret or self.access[1]))
        return self.cloud.auth({"methods": ["oauth1"], "oauth1": {}}, headers=headers)


def sign(path: str, consumer: tuple[str, str], token: tuple[str, str] = ("", ""), **more: str) -> dict[str, str]:
    values = {
        "oauth_consumer_key": consumer[0],
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": str(int(time.time())),
        "oauth_nonce": hex_id(),
        **({"oauth_token": token[0]} if token[0] else {}),
        **more,
    }
    request = SignedRequest("POST", BASE + path, values)
    values["oauth_signature"] = request.signature(consumer[1], token[1]).decode()
    pairs = ", ".join(f'{name}="{quote(value, safe="")}"' for name, value in values.items())
    return {"Authorization": f"OAuth {pairs}"}


@pytest.fixture
def consumer(cloud: Cloud) -> Consumer:
    """A consumer that an administrator lets read in a project: the original's rule lets no others."""
    user, project = cloud.member("admin")
    made = cloud.client.post("/v3/OS-OAUTH1/consumers", {"consumer": {}}, token=cloud.admin_token).json()["consumer"]
    keys = (made["id"], made["secret"])

    def ask(step: str, headers: dict[str, str], **more: str) -> tuple[str, str]:
        answer = cloud.client.post(f"/v3/OS-OAUTH1/{step}", headers={**headers, **more})
        assert answer.status == 201, answer.body
        found = dict(parse_qsl(answer.body.decode()))
        return found["oauth_token"], found["oauth_token_secret"]

    path = "/v3/OS-OAUTH1/request_token"
    request = ask("request_token", sign(path, keys, oauth_callback="oob"), **{"Requested-Project-Id": project})
    allowed = cloud.client.put(
        f"/v3/OS-OAUTH1/authorize/{request[0]}",
        {"roles": [{"id": cloud.roles["reader"]}]},
        token=cloud.token(user.name, project_id=project),
    )
    verifier = allowed.json()["token"]["oauth_verifier"]
    access = ask("access_token", sign("/v3/OS-OAUTH1/access_token", keys, request, oauth_verifier=verifier))
    return Consumer(cloud, *keys, user, project, access)


def test_the_token_has_what_the_user_allowed_and_no_more(cloud: Cloud, consumer: Consumer) -> None:
    answer = consumer.log_in()
    assert answer.status == 201, answer.body
    said = answer.json()["token"]
    assert said["methods"] == ["oauth1"]
    assert said["user"]["id"] == consumer.user.id
    assert said["project"]["id"] == consumer.project
    assert [role["name"] for role in said["roles"]] == ["reader"]
    assert said["OS-OAUTH1"] == {"access_token_id": consumer.access[0], "consumer_id": consumer.id}
    assert cloud.validate(token_of(answer)).json() == answer.json()
    assert len(token_of(answer)) <= 255


def test_a_wrong_signature_is_no_login(consumer: Consumer) -> None:
    assert consumer.log_in(secret="another").status == 401
    plain = consumer.cloud.auth({"methods": ["oauth1"], "oauth1": {}})
    assert plain.status == 400


def test_the_token_becomes_no_other(cloud: Cloud, consumer: Consumer) -> None:
    token = token_of(consumer.log_in())
    assert cloud.rescope(token, "unscoped").status == 403
    path = f"/v3/users/{consumer.user.id}/application_credentials"
    assert cloud.client.get(path, token=token).status == 403
    assert cloud.client.get("/v3/credentials", token=token).json()["credentials"] == []


@pytest.mark.parametrize("end", ["the user takes it back", "the consumer is deleted", "the role is gone"])
def test_its_tokens_are_over_when(cloud: Cloud, consumer: Consumer, end: str) -> None:
    token = token_of(consumer.log_in())
    assert cloud.works(token)
    if end == "the user takes it back":
        path = f"/v3/users/{consumer.user.id}/OS-OAUTH1/access_tokens/{consumer.access[0]}"
        owner = cloud.token(consumer.user.name, project_id=consumer.project)
        assert cloud.client.delete(path, token=owner).status == 204
    elif end == "the consumer is deleted":
        assert cloud.client.delete(f"/v3/OS-OAUTH1/consumers/{consumer.id}", token=cloud.admin_token).status == 204
    else:
        cloud.take("admin", consumer.user.id, project_id=consumer.project)
    assert not cloud.works(token)
    assert consumer.log_in().status == 401
