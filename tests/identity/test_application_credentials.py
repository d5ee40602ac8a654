"""Application credentials and their access rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from cumulet.identity.domain import users
from cumulet.kernel.client import Response
from cumulet.kernel.clock import iso_micro
from tests.identity.login import DEFAULT, Cloud, make_clock, token_of

RULE = {"service": "identity", "path": "/v3/auth/projects", "method": "GET"}


@pytest.fixture(scope="module")
def cloud(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    made = Cloud(module_database_url, tmp_path_factory.mktemp("state"))
    yield made
    made.identity.db.close()


class Owner(NamedTuple):
    """A member of a project, with a token for it."""

    cloud: Cloud
    user: users.User
    project: str
    token: str

    @property
    def path(self) -> str:
        return f"/v3/users/{self.user.id}/application_credentials"

    def post(self, name: str = "robot", *, token: str | None = None, **fields: Any) -> Response:
        body = {"application_credential": {"name": name, **fields}}
        return self.cloud.client.post(self.path, body, token=token or self.token)

    def create(self, name: str = "robot", *, token: str | None = None, **fields: Any) -> dict[str, Any]:
        answer = self.post(name, token=token, **fields)
        assert answer.status == 201, answer.body
        made: dict[str, Any] = answer.json()["application_credential"]
        return made

    def use(self, made: dict[str, Any], **changes: Any) -> Response:
        return log_in(self.cloud, id=made["id"], secret=made["secret"], **changes)


@pytest.fixture
def owner(cloud: Cloud) -> Owner:
    user, project = cloud.member()
    return Owner(cloud, user, project, cloud.token(user.name, project_id=project))


def log_in(cloud: Cloud, scope: Any = None, **proof: Any) -> Response:
    return cloud.auth({"methods": ["application_credential"], "application_credential": proof}, scope=scope)


def test_one_is_made_shown_listed_and_deleted(cloud: Cloud, owner: Owner) -> None:
    made = owner.create(description="at night", expires_at="2100-01-01T00:00:00.000000")
    secret = made.pop("secret")
    assert len(secret) == 86
    assert made["project_id"] == owner.project
    assert made["expires_at"] == "2100-01-01T00:00:00.000000"
    assert made["unrestricted"] is False
    assert {role["name"] for role in made["roles"]} == {"member", "reader"}
    assert "access_rules" not in made
    one = f"{owner.path}/{made['id']}"
    for token in (owner.token, cloud.admin_token):
        assert cloud.client.get(one, token=token).json()["application_credential"] == made
        assert cloud.client.get(owner.path, token=token).json()["application_credentials"] == [made]
    for query, found in (("name=robot", [made]), ("name=other", []), ("name__contains=obo", [made])):
        answer = cloud.client.get(f"{owner.path}?{query}", token=owner.token)
        assert answer.json()["application_credentials"] == found
    assert cloud.client.delete(one, token=owner.token).status == 204
    assert cloud.client.get(one, token=owner.token).status == 404
    assert cloud.client.delete(one, token=owner.token).status == 404


def test_the_secret_is_shown_once_and_kept_as_a_hash(cloud: Cloud, owner: Owner) -> None:
    made = owner.create(secret="chosen by the user")
    assert made["secret"] == "chosen by the user"
    assert owner.use(made).status == 201
    assert b"chosen by the user" not in cloud.client.get(owner.path, token=owner.token).body


def test_others_see_none_of_them(cloud: Cloud, owner: Owner) -> None:
    made = owner.create()
    stranger, _ = cloud.member()
    token = cloud.token(stranger.name)
    assert cloud.client.get(owner.path, token=token).status == 403
    for path in (owner.path, f"/v3/users/{stranger.id}/application_credentials"):
        assert cloud.client.get(f"{path}/{made['id']}", token=token).status == 403
        assert cloud.client.delete(f"{path}/{made['id']}", token=token).status == 403
    assert owner.post("x", token=cloud.admin_token).status == 403
    assert owner.use(made).status == 201


REFUSALS = [
    ({"name": ""}, 400, "application_credential.name"),
    ({"name": None}, 400, "application_credential.name"),
    ({"name": "x" * 256}, 400, "application_credential.name"),
    ({"roles": [{"name": "admin"}]}, 400, "unassigned role"),
    ({"roles": [{"id": "nothing"}]}, 400, "unassigned role"),
    ({"roles": [{"name": "nothing"}]}, 404, "Role nothing is not defined"),
    ({"roles": [{"id": "x", "name": "y"}]}, 400, "roles"),
    ({"expires_at": "x"}, 400, "Timestamp"),
    ({"expires_at": "2001-01-01T00:00:00"}, 400, "must not be before now"),
    ({"unrestricted": "x"}, 400, "application_credential.unrestricted"),
    ({"nonsense": 1}, 400, "nonsense"),
    ({"secret": 1}, 400, "application_credential.secret"),
    ({"access_rules": [{"path": "x", "service": "y", "method": "GET"}]}, 400, "access_rules"),
    ({"access_rules": [{"path": "/x", "service": "y", "method": "BREW"}]}, 400, "access_rules"),
    ({"access_rules": [{"path": "/x"}]}, 400, "access_rules"),
    ({"access_rules": [{"id": "nothing"}]}, 404, "Access Rule: nothing"),
    ({"access_rules": {}}, 400, "access_rules"),
    ({"access_rules": [{**RULE, "path": "/" + "x" * 200}]}, 400, "access_rules"),
]


@pytest.mark.parametrize(("fields", "status", "message"), REFUSALS)
def test_what_is_none_is_refused(owner: Owner, fields: dict[str, Any], status: int, message: str) -> None:
    answer = owner.post(**fields)
    assert answer.status == status
    assert message in answer.json()["error"]["message"]


def test_a_name_is_used_once_by_a_user(cloud: Cloud, owner: Owner) -> None:
    owner.create()
    assert owner.post().status == 409
    other, project = cloud.member()
    Owner(cloud, other, project, cloud.token(other.name, project_id=project)).create()


def test_one_is_made_with_a_token_of_a_project(cloud: Cloud, owner: Owner) -> None:
    assert owner.post(token=cloud.token(owner.user.name)).status == 400


def test_a_limit_holds(database_url: str, tmp_path: Any) -> None:
    cloud = Cloud(database_url, tmp_path, "[application_credential]\nuser_limit = 1\n")
    user, project = cloud.member()
    owner = Owner(cloud, user, project, cloud.token(user.name, project_id=project))
    owner.create("first")
    assert owner.post("second").status == 403
    cloud.identity.db.close()


# Using one


def test_a_login_is_for_its_project_with_its_roles(cloud: Cloud, owner: Owner) -> None:
    made = owner.create(roles=[{"name": "reader"}])
    said = owner.use(made).json()["token"]
    assert said["methods"] == ["application_credential"]
    assert said["user"]["id"] == owner.user.id
    assert said["project"]["id"] == owner.project
    assert [role["name"] for role in said["roles"]] == ["reader"]
    assert said["application_credential"] == {"id": made["id"], "name": "robot", "restricted": True}


def test_a_login_by_name_needs_the_owner(cloud: Cloud, owner: Owner) -> None:
    secret = owner.create()["secret"]
    for reference in ({"id": owner.user.id}, {"name": owner.user.name, "domain": {"id": DEFAULT}}):
        assert log_in(cloud, name="robot", user=reference, secret=secret).status == 201
    assert log_in(cloud, name="robot", user={"id": "nobody"}, secret=secret).status == 401
    assert log_in(cloud, name="other", user={"id": owner.user.id}, secret=secret).status == 401
    for incomplete in ({}, {"name": "robot"}, {"name": "robot", "user": {}}, {"name": "robot", "user": {"name": "x"}}):
        assert log_in(cloud, secret=secret, **incomplete).status == 400


def test_the_owner_is_who_made_it_whoever_the_client_names(cloud: Cloud, owner: Owner) -> None:
    made = owner.create()
    admin = {"name": "admin", "domain": {"id": DEFAULT}}
    assert owner.use(made, user=admin).json()["token"]["user"]["id"] == owner.user.id


def test_a_wrong_secret_and_an_unknown_credential_are_answered_alike(cloud: Cloud, owner: Owner) -> None:
    made = owner.create()
    wrong, unknown = log_in(cloud, id=made["id"], secret="x"), log_in(cloud, id="nothing", secret="x")
    assert (wrong.status, wrong.json()) == (unknown.status, unknown.json()) == (401, wrong.json())
    assert log_in(cloud, id=made["id"]).status == 401


def test_it_has_its_scope_and_takes_no_other(cloud: Cloud, owner: Owner) -> None:
    made = owner.create()
    for scope in ({"project": {"id": owner.project}}, "unscoped"):
        answer = owner.use(made, scope=scope)
        assert answer.status == 401
        assert "cannot request a scope" in answer.json()["error"]["message"]


def test_its_token_becomes_no_other(cloud: Cloud, owner: Owner) -> None:
    token = token_of(owner.use(owner.create(unrestricted=True)))
    for scope in ("unscoped", None, {"project": {"id": owner.project}}):
        assert cloud.rescope(token, scope).status == 403
    ec2 = f"/v3/users/{owner.user.id}/credentials/OS-EC2"
    assert cloud.client.post(ec2, {"tenant_id": owner.project}, token=token).status == 403
    credential = {"credential": {"user_id": owner.user.id, "type": "totp", "blob": "x"}}
    assert cloud.client.post("/v3/credentials", credential, token=token).status == 403


def test_only_an_unrestricted_one_makes_others_and_never_with_more_roles(cloud: Cloud, owner: Owner) -> None:
    restricted = token_of(owner.use(owner.create("restricted")))
    assert owner.post("child", token=restricted).status == 403
    assert cloud.client.get(owner.path, token=restricted).status == 200
    free = token_of(owner.use(owner.create("free", unrestricted=True, roles=[{"name": "reader"}])))
    assert owner.post("child", token=free, roles=[{"name": "member"}]).status == 400
    child = owner.create("child", token=free)
    assert [role["name"] for role in child["roles"]] == ["reader"]
    assert cloud.client.delete(f"{owner.path}/{child['id']}", token=restricted).status == 403
    assert cloud.client.delete(f"{owner.path}/{child['id']}", token=free).status == 204


ENDS = {
    "it is deleted": lambda owner, made: owner.cloud.client.delete(f"{owner.path}/{made['id']}", token=owner.token),
    "the user loses the role": lambda owner, made: owner.cloud.take("member", owner.user.id, project_id=owner.project),
    "the user is disabled": lambda owner, made: users.update(
        owner.cloud.identity, owner.user.id, {"enabled": False}, {}
    ),
    "the user is deleted": lambda owner, made: users.delete(owner.cloud.identity, owner.user.id),
}


@pytest.mark.parametrize("end", ENDS)
def test_its_tokens_and_logins_are_over_when(cloud: Cloud, owner: Owner, end: str) -> None:
    made = owner.create()
    token = token_of(owner.use(made))
    assert cloud.works(token)
    ENDS[end](owner, made)
    assert not cloud.works(token)
    assert cloud.validate(token).status == 404
    assert owner.use(made).status == 401


def test_no_token_outlives_it(cloud: Cloud, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud.identity, "now", cloud.identity.now)
    clock = make_clock(cloud.identity)
    end = iso_micro(clock() + 600_000_000)
    made = owner.create(expires_at=end)
    answer = owner.use(made)
    assert answer.json()["token"]["expires_at"] <= end
    token = token_of(answer)
    assert cloud.works(token)
    clock.pass_(seconds=601)
    assert not cloud.works(token)
    assert owner.use(made).status == 401


# Access rules


def test_rules_stay_in_the_order_they_were_given(cloud: Cloud, owner: Owner) -> None:
    given = ["PUT", "DELETE", "GET", "PATCH", "HEAD", "POST"]
    made = owner.create("ordered", access_rules=[{**RULE, "method": method} for method in given])
    shown = cloud.client.get(f"{owner.path}/{made['id']}", token=owner.token).json()["application_credential"]
    for one in (made, shown):
        assert [rule["method"] for rule in one["access_rules"]] == given


def test_rules_are_made_with_a_credential_and_shared_by_a_users_others(cloud: Cloud, owner: Owner) -> None:
    first = owner.create("first", access_rules=[RULE])
    (rule,) = first["access_rules"]
    assert {key: rule[key] for key in RULE} == RULE
    second = owner.create("second", access_rules=[RULE, {"id": rule["id"]}, {**RULE, "method": "HEAD"}])
    assert rule in second["access_rules"]
    assert len(second["access_rules"]) == 2
    path = f"/v3/users/{owner.user.id}/access_rules"
    listed = cloud.client.get(path, token=owner.token).json()["access_rules"]
    assert len(listed) == 2
    assert {each["method"] for each in listed} == {"GET", "HEAD"}
    filtered = cloud.client.get(f"{path}?method=HEAD", token=owner.token).json()["access_rules"]
    assert [each["method"] for each in filtered] == ["HEAD"]
    shown = cloud.client.get(f"{path}/{rule['id']}", token=owner.token).json()["access_rule"]
    assert {key: shown[key] for key in rule} == rule
    assert cloud.client.delete(f"{path}/{rule['id']}", token=owner.token).status == 403
    for made in (first, second):
        assert cloud.client.delete(f"{owner.path}/{made['id']}", token=owner.token).status == 204
    assert cloud.client.delete(f"{path}/{rule['id']}", token=owner.token).status == 204
    assert cloud.client.get(f"{path}/{rule['id']}", token=owner.token).status == 404


def test_rules_of_others_are_neither_seen_nor_used(cloud: Cloud, owner: Owner) -> None:
    (rule,) = owner.create(access_rules=[RULE])["access_rules"]
    stranger, project = cloud.member()
    token = cloud.token(stranger.name, project_id=project)
    path = f"/v3/users/{owner.user.id}/access_rules"
    for foreign in (token, cloud.admin_token):
        assert cloud.client.get(path, token=foreign).status == 403
        assert cloud.client.get(f"{path}/{rule['id']}", token=foreign).status == 403
    own = f"/v3/users/{stranger.id}/access_rules/{rule['id']}"
    assert cloud.client.get(own, token=token).status == 404
    assert cloud.client.delete(own, token=token).status == 404
    other = Owner(cloud, stranger, project, token)
    assert other.post(access_rules=[{"id": rule["id"]}]).status == 404


def test_a_token_with_rules_is_good_for_what_they_say(cloud: Cloud, owner: Owner) -> None:
    rules = [RULE, {"service": "identity", "path": "/v3/users/*/access_rules/**", "method": "GET"}]
    token = token_of(owner.use(owner.create(access_rules=rules)))
    get = cloud.client.get
    assert get("/v3/auth/projects", token=token).status == 200
    assert get(f"/v3/users/{owner.user.id}/access_rules/x", token=token).status == 404
    assert get("/v3/auth/domains", token=token).status == 401
    assert get("/v3/users", token=token).status == 401
    assert cloud.client.head("/v3/auth/projects", token=token).status == 401
    other = token_of(owner.use(owner.create("compute", access_rules=[{**RULE, "service": "compute"}])))
    assert get("/v3/auth/projects", token=other).status == 401


def test_an_empty_list_of_rules_allows_nothing(cloud: Cloud, owner: Owner) -> None:
    made = owner.create(access_rules=[])
    assert made["access_rules"] == []
    assert cloud.client.get("/v3/auth/projects", token=token_of(owner.use(made))).status == 401


def test_a_token_with_rules_is_shown_to_those_alone_who_keep_them(cloud: Cloud, owner: Owner) -> None:
    token = token_of(owner.use(owner.create(access_rules=[RULE])))
    header = "OpenStack-Identity-Access-Rules"
    assert cloud.validate(token).status == 404
    for version in ("0.9", "x", ""):
        assert cloud.validate(token, **{header: version}).status == 404
    shown = cloud.validate(token, **{header: "1.0"})
    assert shown.status == 200
    (rule,) = shown.json()["token"]["application_credential"]["access_rules"]
    assert {key: rule[key] for key in RULE} == RULE
    assert cloud.revoke(token).status == 204
