"""`/v3/OS-OAUTH1`: a user lets a program act for them, by OAuth 1.0a."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote

import pytest

from cumulet.identity.domain import oauth1_signatures, oauth1_tokens
from cumulet.identity.domain.oauth1_signatures import SignedRequest
from cumulet.identity.service import Identity
from cumulet.kernel.client import Response
from cumulet.kernel.clock import iso_micro
from cumulet.kernel.errors import ApiError
from cumulet.kernel.ids import hex_id
from tests.identity import make
from tests.identity.conftest import Caller, make_identity

BASE = "http://cloud.test:1"
CONSUMERS = "/v3/OS-OAUTH1/consumers"
REQUEST, ACCESS = "/v3/OS-OAUTH1/request_token", "/v3/OS-OAUTH1/access_token"


def consumer(client: Caller, **fields: Any) -> dict[str, str]:
    made = client.post(CONSUMERS, {"consumer": fields})
    assert made.status == 201, made.body
    found: dict[str, str] = made.json()["consumer"]
    return found


def test_a_consumer_is_created_shown_changed_and_deleted(client: Caller) -> None:
    made = consumer(client, description="prints photos", vendor="me")
    path = f"{CONSUMERS}/{made['id']}"
    assert len(made.pop("secret")) == 32
    assert made == {
        "id": made["id"],
        "description": "prints photos",
        "vendor": "me",
        "links": {"self": BASE + path},
    }
    assert client.get(path).json()["consumer"] == made
    assert made in client.get(CONSUMERS).json()["consumers"]
    changed = client.patch(path, {"consumer": {"description": None, "vendor": "you"}})
    assert changed.json()["consumer"] == {**made, "description": None, "vendor": "you"}
    for refused in ({}, {"secret": "mine"}, {"id": "another"}, {"description": 5}):
        assert client.patch(path, {"consumer": refused}).status == 400
    assert client.delete(path).status == 204
    missing = client.get(path)
    assert missing.status == client.delete(path).status == 404
    assert missing.json()["error"]["message"] == "Consumer not found"
    assert client.patch(path, {"consumer": {"description": "x"}}).status == 404


def test_a_consumer_does_not_choose_its_secret(client: Caller) -> None:
    made = consumer(client, secret="mine")
    assert made["secret"] != "mine"
    assert "secret" not in client.get(f"{CONSUMERS}/{made['id']}").json()["consumer"]


def test_who_may_see_and_change_consumers(client: Caller) -> None:
    path = f"{CONSUMERS}/{consumer(client)['id']}"
    assert client.as_("system_reader").get(path).status == 200
    assert client.as_("system_reader").delete(path).status == client.as_("member").get(path).status == 403


RFC_5849 = [
    # Section 1.2: the request for an access token, and one for a protected resource
    (
        "POST",
        "https://photos.example.net:443/token",
        'realm="Photos", oauth_consumer_key="dpf43f3p2l4k3l03", oauth_token="hh5s93j4hdidpola", '
        'oauth_signature_method="HMAC-SHA1", oauth_timestamp="137131201", oauth_nonce="walatlh", '
        'oauth_verifier="hfdp7dh39dks9884", oauth_signature="gKgrFCywp7rO0OXSjdot%2FIHF7IU%3D"',
        "hdhd0244k9j7ao03",
        [],
    ),
    (
        "get",
        "http://PHOTOS.example.net/photos",
        'realm="Photos",oauth_consumer_key="dpf43f3p2l4k3l03",oauth_token="nnch734d00sl2jdk",'
        'oauth_signature_method="HMAC-SHA1",oauth_timestamp="137131202",oauth_nonce="chapoH",'
        'oauth_signature="MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D"',
        "pfkkdhi9sl3r4s00",
        [("file", "vacation.jpg"), ("size", "original")],
    ),
]


@pytest.mark.parametrize(("method", "url", "header", "token_secret", "parameters"), RFC_5849)
def test_signatures_are_those_of_the_rfc(
    method: str, url: str, header: str, token_secret: str, parameters: list[tuple[str, str]]
) -> None:
    request = oauth1_signatures.parse(method, url, f"OAuth {header}", parameters)
    now = int(request.oauth["oauth_timestamp"])
    request.verify("kd94hf93k423kf44", token_secret, now)
    for wrong in (("another", token_secret, now), ("kd94hf93k423kf44", "another", now)):
        with pytest.raises(ApiError) as refused:
            request.verify(*wrong)
        assert refused.value.status == 401
    with pytest.raises(ApiError) as refused:
        request.verify("kd94hf93k423kf44", token_secret, now + 601)
    assert refused.value.status == 400


class Program:
    """What holds a consumer's id and secret, and signs requests with them."""

    def __init__(self, client: Caller) -> None:
        made = consumer(client)
        self.id, self.secret = made["id"], made["secret"]
        # Whatever a program sends it has no token of Identity's.
        self.client = client.as_("not a token")

    def headers(self, path: str, token: tuple[str, str] = ("", ""), **oauth: str) -> dict[str, str]:
        values = {
            "oauth_consumer_key": self.id,
            "oauth_signature_method": "HMAC-SHA1",
            "oauth_timestamp": str(int(time.time())),
            "oauth_nonce": hex_id(),
            "oauth_version": "1.0",
            **({"oauth_token": token[0]} if token[0] else {}),
            **oauth,
        }
        plain, _, query = path.partition("?")
        request = SignedRequest("POST", BASE + plain, values, tuple(parse_qsl(query)))
        if "oauth_signature" not in values:
            values["oauth_signature"] = request.signature(self.secret, token[1]).decode()
        pairs = ", ".join(f'{name}="{quote(value, safe="")}"' for name, value in values.items() if value)
        return {"Authorization": f"OAuth {pairs}"}

    def ask(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
        answer = self.client.post(path, headers=headers)
        if answer.status == 201:
            assert answer.headers["content-type"] == "application/x-www-form-urlencoded"
            return 201, dict(parse_qsl(answer.body.decode()))
        return answer.status, answer.json()["error"]

    def request_token(self, project_id: str) -> tuple[str, str]:
        headers = self.headers(REQUEST, oauth_callback="oob") | {"Requested-Project-Id": project_id}
        status, answer = self.ask(REQUEST, headers)
        assert status == 201, answer
        return answer["oauth_token"], answer["oauth_token_secret"]

    def access_token(self, token: tuple[str, str], verifier: str) -> tuple[str, str]:
        status, answer = self.ask(ACCESS, self.headers(ACCESS, token, oauth_verifier=verifier))
        assert status == 201, answer
        return answer["oauth_token"], answer["oauth_token_secret"]

    def login(self, token: tuple[str, str]) -> Response:
        body = {"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}}
        return self.client.post("/v3/auth/tokens", body, headers=self.headers("/v3/auth/tokens", token))


class World(NamedTuple):
    program: Program
    project: str
    user: str
    role: str
    owner: Caller  # the user, an administrator with a token for the project


def make_world(client: Caller) -> World:
    domain = make.domain(client.identity)
    project, user = make.project(client.identity, domain), make.user(client.identity, domain)
    role = make.role(client, "photographer" + project)
    assert client.put(f"/v3/projects/{project}/users/{user}/roles/{role}").status == 204
    owner = client.as_(user, roles=("admin",), user_id=user, project_id=project, token={"methods": ["password"]})
    return World(Program(client), project, user, role, owner)


@pytest.fixture
def world(client: Caller) -> World:
    return make_world(client)


def authorize(world: World, token: tuple[str, str], **role: str) -> Any:
    body = {"roles": [role or {"id": world.role}]}
    return world.owner.put(f"/v3/OS-OAUTH1/authorize/{token[0]}", body)


def test_the_whole_way_from_consumer_to_access_token(client: Caller, identity: Identity, world: World) -> None:
    token = world.program.request_token(world.project)
    authorized = authorize(world, token, name="photographer" + world.project)
    assert authorized.status == 200
    access = world.program.access_token(token, authorized.json()["token"]["oauth_verifier"])
    path = f"/v3/users/{world.user}/OS-OAUTH1/access_tokens"
    (shown,) = world.owner.get(path).json()["access_tokens"]
    assert shown == {
        "id": access[0],
        "consumer_id": world.program.id,
        "project_id": world.project,
        "authorizing_user_id": world.user,
        "expires_at": shown["expires_at"],
        "links": {"self": f"{BASE}{path}/{access[0]}", "roles": f"{BASE}{path}/{access[0]}/roles"},
    }
    assert iso_micro(identity.now()) < shown["expires_at"] < iso_micro(identity.now() + 86_400_000_001)
    assert world.owner.get(f"{path}/{access[0]}").json()["access_token"] == shown
    (role,) = world.owner.get(f"{path}/{access[0]}/roles").json()["roles"]
    assert role["id"] == world.role
    assert world.owner.get(f"{path}/{access[0]}/roles/{world.role}").json()["role"] == role
    assert world.owner.get(f"{path}/{access[0]}/roles/another").status == 404
    other = f"/v3/users/another/OS-OAUTH1/access_tokens/{access[0]}"
    assert world.owner.get(other).status == world.owner.get(f"{other}/roles").status == 404
    assert client.get("/v3/users/another/OS-OAUTH1/access_tokens").json()["access_tokens"] == []

    def login() -> SignedRequest:
        header = world.program.headers("/v3/auth/tokens", access)["Authorization"]
        return oauth1_signatures.parse("POST", f"{BASE}/v3/auth/tokens", header, ())

    proved = oauth1_tokens.verify_access(identity, login())
    assert (proved["authorizing_user_id"], proved["project_id"]) == (world.user, world.project)
    assert proved["role_ids"] == [world.role]
    assert world.program.login(access).status == 201
    assert world.owner.delete(f"{path}/{access[0]}").status == 204
    assert world.owner.delete(f"{path}/{access[0]}").status == 404
    assert world.program.login(access).status == 401
    with pytest.raises(ApiError) as refused:
        oauth1_tokens.verify_access(identity, login())
    assert refused.value.status == 401


def test_a_login_with_an_access_token_has_the_roles_that_were_given_away(client: Caller, world: World) -> None:
    kept = make.role(client)
    client.put(f"/v3/projects/{world.project}/users/{world.user}/roles/{kept}")
    token = world.program.request_token(world.project)
    access = world.program.access_token(token, authorize(world, token).json()["token"]["oauth_verifier"])
    answer = world.program.login(access)
    assert answer.status == 201
    body = answer.json()["token"]
    assert body["methods"] == ["oauth1"]
    assert (body["user"]["id"], body["project"]["id"]) == (world.user, world.project)
    assert [role["id"] for role in body["roles"]] == [world.role]
    assert body["OS-OAUTH1"] == {"access_token_id": access[0], "consumer_id": world.program.id}
    assert world.program.login((access[0], "guessed")).status == 401
    client.delete(f"/v3/projects/{world.project}/users/{world.user}/roles/{world.role}")
    assert world.program.login(access).status == 401


def test_a_request_token_is_good_once_and_only_with_its_verifier(world: World) -> None:
    token = world.program.request_token(world.project)
    ask, headers = world.program.ask, world.program.headers
    assert ask(ACCESS, headers(ACCESS, token, oauth_verifier="guessed!"))[0] == 401
    verifier = authorize(world, token).json()["token"]["oauth_verifier"]
    newer = authorize(world, token).json()["token"]["oauth_verifier"]
    assert ask(ACCESS, headers(ACCESS, token, oauth_verifier=verifier))[0] == 401
    assert ask(ACCESS, headers(ACCESS, (token[0], "another"), oauth_verifier=newer))[0] == 401
    assert ask(ACCESS, headers(ACCESS, ("nothing", token[1]), oauth_verifier=newer))[0] == 404
    other = Program(world.owner)
    assert other.ask(ACCESS, other.headers(ACCESS, token, oauth_verifier=newer))[0] == 401
    world.program.access_token(token, newer)
    assert ask(ACCESS, headers(ACCESS, token, oauth_verifier=newer))[0] == 404


def test_requests_for_a_request_token_that_are_no_use(world: World) -> None:
    project = {"Requested-Project-Id": world.project}
    signed = world.program.headers

    def status(headers: dict[str, str]) -> tuple[int, str]:
        code, error = world.program.ask(REQUEST, headers)
        return code, error["message"]

    good = {"oauth_callback": "oob"}
    for headers, code, words in (
        (project, 400, "oauth_consumer_key"),
        ({"Authorization": "Bearer x", **project}, 400, "oauth_consumer_key"),
        ({"Authorization": "OAuth oauth_nonce=x", **project}, 400, "pairs"),
        ({"Authorization": 'OAuth oauth_nonce="x", oauth_nonce="y"', **project}, 400, "twice"),
        (signed(REQUEST, **good), 400, "Requested-Project-Id"),
        (signed(REQUEST, **good) | {"Requested-Project-Id": "nothing"}, 404, "project"),
        (signed(REQUEST) | project, 400, "oauth_callback"),
        (signed(REQUEST, oauth_consumer_key="nothing", **good) | project, 404, "Consumer"),
        (signed(REQUEST, oauth_signature="nothing", **good) | project, 401, "authentication"),
        (signed(REQUEST, oauth_signature="ü", **good) | project, 401, "authentication"),
        (signed(REQUEST, oauth_signature_method="RSA-SHA1", oauth_signature="x", **good) | project, 400, "_method"),
        (signed(REQUEST, oauth_version="2.0", **good) | project, 400, "oauth_version"),
        (signed(REQUEST, oauth_timestamp="1000", **good) | project, 400, "oauth_timestamp"),
        (signed(REQUEST, oauth_timestamp="soon", **good) | project, 400, "oauth_timestamp"),
        (signed(REQUEST, oauth_nonce="x" * 256, **good) | project, 400, "oauth_nonce"),
        (signed("/v3/another", **good) | project, 401, "authentication"),
    ):
        assert status(headers)[0] == code, words
        assert words in status(headers)[1]
    assert world.program.client.get(REQUEST).status == 405


def test_roles_are_told_in_the_order_they_were_given(client: Caller, world: World) -> None:
    given = sorted([world.role, *(make.role(client) for _ in range(4))], reverse=True)
    for role in given:
        client.put(f"/v3/projects/{world.project}/users/{world.user}/roles/{role}")
    token = world.program.request_token(world.project)
    body = {"roles": [{"id": role} for role in given]}
    verifier = world.owner.put(f"/v3/OS-OAUTH1/authorize/{token[0]}", body).json()["token"]["oauth_verifier"]
    access = world.program.access_token(token, verifier)[0]
    told = world.owner.get(f"/v3/users/{world.user}/OS-OAUTH1/access_tokens/{access}/roles").json()["roles"]
    assert [role["id"] for role in told] == given


@pytest.mark.parametrize("method", ["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "PLAINTEXT"])
def test_programs_sign_as_they_like(world: World, method: str) -> None:
    def signed(**more: str) -> dict[str, str]:
        headers = world.program.headers(REQUEST, oauth_callback="oob", oauth_signature_method=method, **more)
        return {**headers, "Requested-Project-Id": world.project}

    assert world.program.ask(REQUEST, signed())[0] == 201
    assert world.program.ask(REQUEST, signed(oauth_signature="another%26"))[0] == 401


def test_parameters_of_the_query_are_signed_too(world: World) -> None:
    path = f"{REQUEST}?b=1&a=2%203"
    headers = world.program.headers(path, oauth_callback="oob") | {"Requested-Project-Id": world.project}
    assert world.program.ask(path, headers)[0] == 201
    assert world.program.ask(f"{REQUEST}?b=1", headers)[0] == 401


def test_nobody_lets_a_program_do_more_than_they_may(client: Caller, world: World) -> None:
    token = world.program.request_token(world.project)
    stranger = make.role(client)
    assert authorize(world, token, id=stranger).status == 401
    assert authorize(world, token, name="there is none").status == 404
    assert authorize(world, token, id=world.role, name="both").status == 400
    assert world.owner.put(f"/v3/OS-OAUTH1/authorize/{token[0]}", {"roles": "all"}).status == 400
    assert world.owner.put("/v3/OS-OAUTH1/authorize/nothing", {"roles": []}).status == 404
    assert client.as_("member").put(f"/v3/OS-OAUTH1/authorize/{token[0]}", {"roles": []}).status == 403


@pytest.mark.parametrize("methods", [["application_credential"], ["oauth1"], ["ec2credential"]])
def test_a_grant_that_was_given_away_makes_no_other(client: Caller, world: World, methods: list[str]) -> None:
    token = world.program.request_token(world.project)
    fields = {"user_id": world.user, "project_id": world.project, "token": {"methods": methods}}
    delegate = client.as_("d" + world.user, roles=("admin",), **fields)
    refused = delegate.put(f"/v3/OS-OAUTH1/authorize/{token[0]}", {"roles": [{"id": world.role}]})
    assert refused.status == 403
    assert delegate.get(f"/v3/users/{world.user}/OS-OAUTH1/access_tokens").status == 403


def test_everything_ends_with_the_consumer(client: Caller, world: World) -> None:
    token = world.program.request_token(world.project)
    access = world.program.access_token(token, authorize(world, token).json()["token"]["oauth_verifier"])
    pending = world.program.request_token(world.project)
    assert client.delete(f"{CONSUMERS}/{world.program.id}").status == 204
    assert authorize(world, pending).status == 404
    assert world.owner.get(f"/v3/users/{world.user}/OS-OAUTH1/access_tokens/{access[0]}").status == 404


@pytest.fixture
def hasty(database_url: str, tmp_path: Path) -> Iterator[Caller]:
    """Where request tokens last a second and access tokens for ever."""
    options = "[oauth1]\nrequest_token_duration = 1\naccess_token_duration = 0\n"
    identity = make_identity(database_url, tmp_path, options)
    yield Caller(identity, "admin")
    identity.db.close()


def test_request_tokens_end_and_access_tokens_need_not(hasty: Caller) -> None:
    world = make_world(hasty)
    hasty.identity.now = lambda: 1_000_000 * int(time.time())
    token = world.program.request_token(world.project)
    verifier = authorize(world, token).json()["token"]["oauth_verifier"]
    hasty.identity.now = lambda: 1_000_000 * (int(time.time()) + 2)
    assert authorize(world, token).status == 401
    assert world.program.ask(ACCESS, world.program.headers(ACCESS, token, oauth_verifier=verifier))[0] == 401
    hasty.identity.now = lambda: 1_000_000 * int(time.time())
    fresh = world.program.request_token(world.project)
    access = world.program.access_token(fresh, authorize(world, fresh).json()["token"]["oauth_verifier"])
    path = f"/v3/users/{world.user}/OS-OAUTH1/access_tokens/{access[0]}"
    assert world.owner.get(path).json()["access_token"]["expires_at"] is None
