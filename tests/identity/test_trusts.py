"""Trusts: some of a user's roles on a project, in another user's hands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from cumulet.identity.domain import users
from cumulet.kernel.client import Response
from cumulet.kernel.clock import iso_micro
from tests.identity import make
from tests.identity.login import DEFAULT, PASSWORD, Cloud, make_clock, token_of


@pytest.fixture(scope="module")
def cloud(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    options = "[trust]\nallow_redelegation = true\n"
    made = Cloud(module_database_url, tmp_path_factory.mktemp("state"), options)
    yield made
    made.identity.db.close()


class Parties(NamedTuple):
    """The trustor is member (and so reader) of the project, the trustee nothing."""

    cloud: Cloud
    trustor: users.User
    trustee: users.User
    project: str
    trustor_token: str

    def body(self, **changes: Any) -> dict[str, Any]:
        trust = {
            "trustor_user_id": self.trustor.id,
            "trustee_user_id": self.trustee.id,
            "project_id": self.project,
            "impersonation": False,
            "roles": [{"name": "member"}],
        }
        return {"trust": {**trust, **changes}}

    def post(self, token: str | None = None, **changes: Any) -> Response:
        return self.cloud.client.post("/v3/OS-TRUST/trusts", self.body(**changes), token=token or self.trustor_token)

    def create(self, token: str | None = None, **changes: Any) -> dict[str, Any]:
        answer = self.post(token, **changes)
        assert answer.status == 201, answer.body
        made: dict[str, Any] = answer.json()["trust"]
        return made

    def use(self, trust_id: str, user: users.User | None = None) -> Response:
        return self.cloud.log_in((user or self.trustee).name, scope={"OS-TRUST:trust": {"id": trust_id}})


@pytest.fixture
def parties(cloud: Cloud) -> Parties:
    trustor, project = cloud.member()
    token = cloud.token(trustor.name, project_id=project)
    return Parties(cloud, trustor, cloud.user(), project, token)


def test_a_trust_is_made_shown_listed_and_deleted(cloud: Cloud, parties: Parties) -> None:
    trust = parties.create(expires_at="2100-01-01T00:00:00.000000Z", note="for the night")
    assert trust["trustor_user_id"] == parties.trustor.id
    assert trust["expires_at"] == "2100-01-01T00:00:00.000000Z"
    assert trust["note"] == "for the night"
    assert [role["name"] for role in trust["roles"]] == ["member"]
    assert (trust["remaining_uses"], trust["redelegation_count"], trust["redelegated_trust_id"]) == (None, 0, None)
    one = f"/v3/OS-TRUST/trusts/{trust['id']}"
    trustee = cloud.token(parties.trustee.name)
    for token in (parties.trustor_token, trustee, cloud.admin_token):
        assert cloud.client.get(one, token=token).json()["trust"] == trust
        assert cloud.client.get(f"{one}/roles", token=token).json()["roles"] == trust["roles"]
        role = cloud.client.get(f"{one}/roles/{cloud.roles['member']}", token=token)
        assert role.json()["role"] == trust["roles"][0]
        assert cloud.client.get(f"{one}/roles/{cloud.roles['admin']}", token=token).status == 404
    for query, token in (
        (f"trustor_user_id={parties.trustor.id}", parties.trustor_token),
        (f"trustee_user_id={parties.trustee.id}", trustee),
    ):
        (listed,) = cloud.client.get(f"/v3/OS-TRUST/trusts?{query}", token=token).json()["trusts"]
        assert listed["id"] == trust["id"]
        assert "roles" not in listed
    assert cloud.client.delete(one, token=trustee).status == 403
    assert cloud.client.delete(one, token=parties.trustor_token).status == 204
    assert cloud.client.get(one, token=parties.trustor_token).status == 404


def test_strangers_see_no_trusts(cloud: Cloud, parties: Parties) -> None:
    trust = parties.create()
    cloud.user("stranger")
    stranger = cloud.token("stranger")
    assert cloud.client.get(f"/v3/OS-TRUST/trusts/{trust['id']}", token=stranger).status == 403
    assert cloud.client.get(f"/v3/OS-TRUST/trusts/{trust['id']}/roles", token=stranger).status == 403
    assert cloud.client.delete(f"/v3/OS-TRUST/trusts/{trust['id']}", token=stranger).status == 403
    assert cloud.client.get("/v3/OS-TRUST/trusts", token=stranger).status == 403
    for who in ("trustor", "trustee"):
        path = f"/v3/OS-TRUST/trusts?{who}_user_id={parties.trustor.id}"
        assert cloud.client.get(path, token=stranger).status == 403
    listed = cloud.client.get("/v3/OS-TRUST/trusts", token=cloud.admin_token).json()["trusts"]
    assert trust["id"] in {each["id"] for each in listed}


REFUSALS = [
    ({"roles": []}, 403, "At least one role"),
    ({"roles": [{"name": "nothing"}]}, 404, "Role nothing is not defined"),
    ({"roles": [{"id": "nothing"}]}, 404, "role: nothing"),
    ({"roles": [{"name": "admin"}]}, 404, "Could not find role"),
    ({"roles": [{"id": "x", "name": "y"}]}, 400, "roles"),
    ({"roles": [{}]}, 400, "roles"),
    ({"roles": [{"name": "member", "x": 1}]}, 400, "trust.roles"),
    ({"roles": "member"}, 400, "trust.roles"),
    ({"trustor_user_id": "other"}, 403, "identity:create_trust"),
    ({"trustee_user_id": "nobody"}, 404, "user: nobody"),
    ({"project_id": "nothing"}, 404, "project: nothing"),
    ({"expires_at": "x"}, 400, "Timestamp not in expected format"),
    ({"expires_at": "2001-01-01T00:00:00Z"}, 400, "must not be before now"),
    ({"expires_at": 1}, 400, "trust.expires_at"),
    ({"impersonation": "yes"}, 400, "trust.impersonation"),
    ({"remaining_uses": 0}, 400, "trust.remaining_uses"),
    ({"remaining_uses": -1}, 400, "trust.remaining_uses"),
    ({"remaining_uses": 1, "allow_redelegation": True}, 400, "remaining_uses must not be set"),
    ({"redelegation_count": -1}, 400, "trust.redelegation_count"),
    ({"allow_redelegation": True, "redelegation_count": 4}, 403, "not authorized"),
]


@pytest.mark.parametrize(("changes", "status", "message"), REFUSALS)
def test_what_is_no_trust_is_refused(parties: Parties, changes: dict[str, Any], status: int, message: str) -> None:
    answer = parties.post(**changes)
    assert answer.status == status
    assert message in answer.json()["error"]["message"]


def test_a_trust_needs_its_parties_named(cloud: Cloud, parties: Parties) -> None:
    for body in ({}, {"trust": {}}, {"trust": {"trustor_user_id": parties.trustor.id}}, {"trust": 1}, []):
        answer = cloud.client.post("/v3/OS-TRUST/trusts", body, token=parties.trustor_token)
        assert answer.status == 400


def test_the_same_trust_is_not_made_twice(parties: Parties) -> None:
    parties.create(expires_at="2100-01-01T00:00:00Z")
    assert parties.post(expires_at="2100-01-01T00:00:00Z").status == 409


# Using one


def test_a_trust_gives_its_roles_and_no_more(cloud: Cloud, parties: Parties) -> None:
    said = parties.use(parties.create()["id"]).json()["token"]
    assert said["user"]["id"] == parties.trustee.id
    assert said["project"]["id"] == parties.project
    assert {role["name"] for role in said["roles"]} == {"member", "reader"}
    assert said["OS-TRUST:trust"]["trustor_user"] == {"id": parties.trustor.id}
    assert said["OS-TRUST:trust"]["trustee_user"] == {"id": parties.trustee.id}
    assert said["OS-TRUST:trust"]["impersonation"] is False
    reader = parties.use(parties.create(roles=[{"id": cloud.roles["reader"]}])["id"]).json()["token"]
    assert {role["name"] for role in reader["roles"]} == {"reader"}


def test_with_impersonation_the_token_speaks_for_the_trustor(cloud: Cloud, parties: Parties) -> None:
    token = token_of(parties.use(parties.create(impersonation=True)["id"]))
    said = cloud.validate(token).json()["token"]
    assert said["user"]["id"] == parties.trustor.id
    assert cloud.validate(token, token=parties.trustor_token).status == 200
    assert cloud.validate(token, token=cloud.token(parties.trustee.name)).status == 403


def test_a_trust_is_the_trustees_alone(cloud: Cloud, parties: Parties) -> None:
    trust = parties.create()
    assert parties.use(trust["id"], parties.trustor).status == 403
    assert parties.use(trust["id"], cloud.user()).status == 403


def test_a_trusts_token_becomes_no_other(cloud: Cloud, parties: Parties) -> None:
    token = token_of(parties.use(parties.create(impersonation=True)["id"]))
    for scope in ("unscoped", None, {"project": {"id": parties.project}}):
        assert cloud.rescope(token, scope).status == 403
    assert cloud.client.get("/v3/credentials", token=token).json()["credentials"] == []
    path = f"/v3/users/{parties.trustor.id}/application_credentials"
    assert cloud.client.get(path, token=token).status == 403
    assert cloud.client.post(path, {"application_credential": {"name": "x"}}, token=token).status == 403
    ec2 = f"/v3/users/{parties.trustor.id}/credentials/OS-EC2"
    assert cloud.client.post(ec2, {"tenant_id": parties.project}, token=token).status == 403


ENDS = {
    "the trustor loses the role": lambda parties: parties.cloud.take(
        "member", parties.trustor.id, project_id=parties.project
    ),
    "the trustor is disabled": lambda parties: users.update(
        parties.cloud.identity, parties.trustor.id, {"enabled": False}, {}
    ),
    "the trustor is deleted": lambda parties: users.delete(parties.cloud.identity, parties.trustor.id),
    "the trustee is disabled": lambda parties: users.update(
        parties.cloud.identity, parties.trustee.id, {"enabled": False}, {}
    ),
    "the trustor's password changes": lambda parties: users.update(
        parties.cloud.identity, parties.trustor.id, {"password": "another one"}, {}
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_trusts_tokens_are_over_when(cloud: Cloud, parties: Parties, end: str) -> None:
    trust = parties.create()
    token = token_of(parties.use(trust["id"]))
    assert cloud.works(token)
    ENDS[end](parties)
    assert not cloud.works(token)
    assert cloud.validate(token).status == 404


def test_a_deleted_trust_ends_its_tokens(cloud: Cloud, parties: Parties) -> None:
    trust = parties.create()
    token = token_of(parties.use(trust["id"]))
    assert cloud.client.delete(f"/v3/OS-TRUST/trusts/{trust['id']}", token=parties.trustor_token).status == 204
    assert not cloud.works(token)
    assert parties.use(trust["id"]).status == 401


def test_a_trust_ends_with_its_time_and_no_token_outlives_it(
    cloud: Cloud, parties: Parties, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud.identity, "now", cloud.identity.now)
    clock = make_clock(cloud.identity)
    trust = parties.create(expires_at=iso_micro(clock() + 600_000_000))
    answer = parties.use(trust["id"])
    token = token_of(answer)
    assert answer.json()["token"]["expires_at"] <= trust["expires_at"]
    assert cloud.works(token)
    clock.pass_(seconds=601)
    assert not cloud.works(token)
    assert parties.use(trust["id"]).status == 401
    assert cloud.client.get(f"/v3/OS-TRUST/trusts/{trust['id']}", token=parties.trustor_token).status == 404


def test_uses_are_counted_and_a_token_of_the_last_one_is_good(cloud: Cloud, parties: Parties) -> None:
    trust = parties.create(remaining_uses=2)
    tokens = [token_of(parties.use(trust["id"])) for _ in range(2)]
    refused = parties.use(trust["id"])
    assert refused.status == 403
    assert refused.json()["error"]["message"] == f"No remaining uses for trust: {trust['id']}."
    assert all(cloud.works(token) for token in tokens)
    one = f"/v3/OS-TRUST/trusts/{trust['id']}"
    assert cloud.client.get(one, token=parties.trustor_token).status == 403
    assert cloud.client.delete(one, token=parties.trustor_token).status == 204


def test_a_trust_without_a_project_gives_no_token(cloud: Cloud, parties: Parties) -> None:
    trust = parties.create(project_id=None, roles=[])
    assert parties.use(trust["id"]).status == 403


# Handing one on


def test_a_trust_is_handed_on_as_far_as_it_says(cloud: Cloud, parties: Parties) -> None:
    first = parties.create(allow_redelegation=True, redelegation_count=1)
    assert first["redelegation_count"] == 1
    token = token_of(parties.use(first["id"]))
    second_trustee = cloud.user()
    changes = {"trustor_user_id": parties.trustee.id, "trustee_user_id": second_trustee.id}
    second = parties.create(token, **changes, allow_redelegation=True)
    assert (second["redelegated_trust_id"], second["redelegation_count"]) == (first["id"], 0)
    used = parties.use(second["id"], second_trustee)
    assert {role["name"] for role in used.json()["token"]["roles"]} == {"member", "reader"}
    third_trustee = cloud.user()
    further = {"trustor_user_id": second_trustee.id, "trustee_user_id": third_trustee.id}
    assert parties.post(token_of(used), **further).status == 403
    # The first ends, and with it all that came from it.
    assert cloud.client.delete(f"/v3/OS-TRUST/trusts/{first['id']}", token=parties.trustor_token).status == 204
    assert not cloud.works(token_of(used))
    assert cloud.client.get(f"/v3/OS-TRUST/trusts/{second['id']}", token=cloud.admin_token).status == 404


def test_what_is_handed_on_never_allows_more(cloud: Cloud, parties: Parties) -> None:
    first = parties.create(allow_redelegation=True, expires_at="2100-01-01T00:00:00Z", roles=[{"name": "reader"}])
    token = token_of(parties.use(first["id"]))
    base = {"trustor_user_id": parties.trustee.id, "trustee_user_id": cloud.user().id, "roles": [{"name": "reader"}]}
    other = make.project(cloud.identity, DEFAULT)
    cloud.grant("member", parties.trustor.id, project_id=other)
    for more in (
        {"roles": [{"name": "member"}]},
        {"expires_at": "2101-01-01T00:00:00Z"},
        {"impersonation": True},
        {"remaining_uses": 5},
        {"project_id": other},
        {"allow_redelegation": True, "redelegation_count": 3},
    ):
        assert parties.post(token, **{**base, **more}).status == 403, more
    assert parties.create(token, **base)["expires_at"] == "2100-01-01T00:00:00.000000Z"


def test_a_trust_is_not_made_with_an_application_credential(cloud: Cloud, parties: Parties) -> None:
    path = f"/v3/users/{parties.trustor.id}/application_credentials"
    body = {"application_credential": {"name": "robot", "unrestricted": True}}
    made = cloud.client.post(path, body, token=parties.trustor_token).json()["application_credential"]
    proof = {"id": made["id"], "secret": made["secret"]}
    token = token_of(cloud.auth({"methods": ["application_credential"], "application_credential": proof}))
    assert parties.post(token).status == 403
    assert cloud.client.get(f"/v3/OS-TRUST/trusts?trustor_user_id={parties.trustor.id}", token=token).status == 403


def test_one_password_login_can_ask_for_a_trust(cloud: Cloud, parties: Parties) -> None:
    trust = parties.create()
    unscoped = cloud.token(parties.trustee.name)
    answer = cloud.rescope(unscoped, {"OS-TRUST:trust": {"id": trust["id"]}})
    assert answer.json()["token"]["OS-TRUST:trust"]["id"] == trust["id"]
    assert PASSWORD not in answer.body.decode()
