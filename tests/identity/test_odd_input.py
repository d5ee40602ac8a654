"""Input nobody means well with: answered with the API's own refusals, on every database."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.kernel.ids import hex_id
from tests.identity.conftest import Caller
from tests.identity.resources import make

pytestmark = pytest.mark.usefixtures("default_domain")
ODD = ["%00", "a%00b", "%FF", "%C3%28", "%F0%9F%98%80", "'", '"', "%5C", "%25", "%0A", "%20", "x" * 3000, "..%2F"]
HALF_OF_A_PAIR = "%ED%A0%80"
KINDS = ["users", "groups", "projects", "domains"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", [*ODD, HALF_OF_A_PAIR])
def test_in_paths_and_queries(client: Caller, kind: str, text: str) -> None:
    assert client.get(f"/v3/{kind}/{text}").status in (400, 404)
    assert client.delete(f"/v3/{kind}/{text}").status in (400, 404)
    for key in ("name", "name__contains", "name__iendswith", "marker", "domain_id", "unknown", "tags", text):
        assert client.get(f"/v3/{kind}?{key}={text}").status in (200, 400, 404)
    assert client.get(f"/v3/users/{text}/groups").status in (400, 404)
    assert client.put(f"/v3/groups/{text}/users/{text}").status in (400, 404)
    assert client.get(f"/v3/projects/{text}/tags/{text}").status in (400, 404)
    assert client.get(f"/v3/domains/{text}/config/{text}/{text}").status in (400, 403, 404)


@pytest.mark.parametrize(
    "text", ["\0", "a\0b", "😀", "\u202e", "\ufeff", "'; drop table users; --", "%s%n", "${jndi:x}", "\\"]
)
@pytest.mark.parametrize("kind", ["user", "group", "project", "domain"])
def test_in_bodies(client: Caller, kind: str, text: str) -> None:
    made = client.post(f"/v3/{kind}s", {kind: {"name": hex_id() + text, "description": text, "other": {text: [text]}}})
    assert made.status in (201, 400)
    if made.status == 201:
        shown = client.get(f"/v3/{kind}s/{made.json()[kind]['id']}").json()[kind]
        assert (shown["description"], shown["other"]) == (text, {text: [text]})


@pytest.mark.parametrize(
    "body", [None, [], "x", 1, True, {}, {"user": None}, {"user": []}, {"user": "x"}, {"user": {}}]
)
@pytest.mark.parametrize("kind", ["user", "group", "project", "domain"])
def test_bodies_that_are_none(client: Caller, kind: str, body: Any) -> None:
    given = {kind: body["user"]} if isinstance(body, dict) and "user" in body else body
    assert client.post(f"/v3/{kind}s", given).status == 400
    thing = make(client, kind)["id"]
    is_fine = kind == "project" and given == {"project": {}}
    assert client.patch(f"/v3/{kind}s/{thing}", given).status == (200 if is_fine else 400)


def test_a_body_that_is_no_json(client: Caller) -> None:
    for data in (b"{", b"\xff", b'{"user": {"name": "\\ud800"}}', b"[" * 100_000):
        answer = client.request("POST", "/v3/users", data=data, headers={"Content-Type": "application/json"})
        assert answer.status == 400
