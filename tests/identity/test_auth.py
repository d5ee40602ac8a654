"""Logging in: proofs, scopes, and what those learn who cannot."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from cumulet.identity.domain import domains, projects, users
from tests.identity import make
from tests.identity.login import DEFAULT, PASSWORD, Cloud, make_clock, token_of

REFUSED = {
    "error": {
        "code": 401,
        "message": "The request you have made requires authentication.",
        "title": "Unauthorized",
    }
}


@pytest.fixture(scope="module")
def cloud(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    made = Cloud(module_database_url, tmp_path_factory.mktemp("state"))
    yield made
    made.identity.db.close()


def by_password(**user: Any) -> dict[str, Any]:
    return {"methods": ["password"], "password": {"user": {"password": PASSWORD, **user}}}


# By password


def test_a_user_logs_in_by_id_or_by_name_in_a_domain(cloud: Cloud) -> None:
    domain = make.domain(cloud.identity, "offices")
    user = cloud.user("ann", domain_id=domain)
    for reference in (
        {"id": user.id},
        {"name": "ann", "domain": {"id": domain}},
        {"name": "ann", "domain": {"name": "offices"}},
        {"name": "ann", "domain": {"name": "Offices"}},
    ):
        answer = cloud.auth(by_password(**reference), scope="unscoped")
        assert answer.status == 201
        assert answer.json()["token"]["user"]["id"] == user.id


def test_all_who_cannot_log_in_get_the_same_answer(cloud: Cloud) -> None:
    closed = make.domain(cloud.identity, "closed")
    in_closed = cloud.user("bea", domain_id=closed)
    domains.update(cloud.identity, closed, {"enabled": False}, {})
    cloud.user("cid", enabled=False)
    users.create(cloud.identity, {"name": "no-password", "domain_id": DEFAULT}, {})
    default = {"domain": {"id": DEFAULT}}
    attempts = [
        by_password(name="admin", password="wrong", **default),
        by_password(name="admin", password="", **default),
        by_password(name="ADMIN", **default),
        by_password(name="nobody", **default),
        by_password(name="admin", domain={"id": "nowhere"}),
        by_password(name="admin", domain={"name": "nowhere"}),
        by_password(id="nobody"),
        by_password(id=in_closed.id),
        by_password(name="bea", domain={"id": closed}),
        by_password(name="cid", **default),
        by_password(name="no-password", **default),
        by_password(name="no-password", password="", **default),
    ]
    for attempt in attempts:
        answer = cloud.auth(attempt)
        assert (answer.status, answer.json()) == (401, REFUSED), attempt
        assert answer.headers["www-authenticate"] == 'Keystone uri="http://cloud.test:1/v3"'


def test_an_unknown_user_is_not_told_by_the_clock(database_url: str, tmp_path: Any) -> None:
    cloud = Cloud(database_url, tmp_path, "[identity]\npassword_hash_rounds = 9\n")
    cloud.user("dan")
    cloud.user("eli", enabled=False)

    def seconds(name: str) -> float:
        started = time.thread_time()
        for _ in range(3):
            assert cloud.log_in(name, "wrong").status == 401
        return time.thread_time() - started

    seconds("dan")
    known, unknown, disabled = seconds("dan"), seconds("nobody"), seconds("eli")
    assert 0.6 < unknown / known < 1.7
    assert 0.6 < disabled / known < 1.7
    cloud.identity.db.close()


def test_too_many_wrong_passwords_lock_the_account_and_answer_as_a_wrong_one(database_url: str, tmp_path: Any) -> None:
    options = "[security_compliance]\nlockout_failure_attempts = 3\nlockout_duration = 60\n"
    cloud = Cloud(database_url, tmp_path, options)
    clock = make_clock(cloud.identity)
    cloud.user("fay")
    for _ in range(2):
        assert cloud.log_in("fay", "wrong").status == 401
    assert cloud.log_in("fay").status == 201, "a success starts the count again"
    for _ in range(3):
        assert cloud.log_in("fay", "wrong").json() == REFUSED
    locked = cloud.log_in("fay")
    assert (locked.status, locked.json()) == (401, REFUSED)
    clock.pass_(seconds=61)
    assert cloud.log_in("fay").status == 201
    cloud.identity.db.close()


def test_who_knows_an_expired_password_is_told_and_nobody_else(database_url: str, tmp_path: Any) -> None:
    cloud = Cloud(database_url, tmp_path, "[security_compliance]\npassword_expires_days = 1\n")
    clock = make_clock(cloud.identity)
    gus = cloud.user("gus")
    shown = cloud.log_in("gus").json()["token"]["user"]
    assert shown["password_expires_at"].endswith("Z")
    clock.pass_(hours=25)
    assert cloud.log_in("gus", "wrong").json() == REFUSED
    expired = cloud.log_in("gus")
    assert expired.status == 401
    assert "expired" in expired.json()["error"]["message"]
    assert gus.id in expired.json()["error"]["message"]
    cloud.identity.db.close()


def test_a_password_over_72_bytes_counts_to_its_end(cloud: Cloud) -> None:
    cloud.user("hal", password="密" * 40)
    assert cloud.log_in("hal", "密" * 40).status == 201
    assert cloud.log_in("hal", "密" * 39).status == 401


def test_a_new_password_counts_at_once_and_the_old_one_no_more(cloud: Cloud) -> None:
    ian = cloud.user("ian")
    for _ in range(2):
        assert cloud.log_in("ian").status == 201
    users.update(cloud.identity, ian.id, {"password": "another one"}, {})
    assert cloud.log_in("ian").status == 401
    assert cloud.log_in("ian", "another one").status == 201


# For what


def test_projects_are_named_by_id_or_by_name_in_a_domain(cloud: Cloud) -> None:
    domain = make.domain(cloud.identity, "works")
    project = make.project(cloud.identity, domain, "build")
    cloud.member(name="jil", project_id=project)
    for reference in (
        {"id": project},
        {"name": "build", "domain": {"id": domain}},
        {"name": "build", "domain": {"name": "works"}},
    ):
        assert cloud.log_in("jil", scope={"project": reference}).json()["token"]["project"]["id"] == project


def test_all_scopes_that_cannot_be_are_answered_alike(cloud: Cloud) -> None:
    _, project = cloud.member(name="kai")
    closed, shut_domain = make.project(cloud.identity, DEFAULT), make.domain(cloud.identity)
    within = make.project(cloud.identity, shut_domain)
    cloud.member(name="kim", project_id=closed)
    cloud.grant("member", cloud.user("leo").id, project_id=within)
    projects.update(cloud.identity, closed, {"enabled": False}, {})
    domains.update(cloud.identity, shut_domain, {"enabled": False}, {})
    attempts = [
        ("kai", {"project": {"id": "nothing"}}),
        ("kai", {"project": {"name": "nothing", "domain": {"id": DEFAULT}}}),
        ("kai", {"project": {"name": project, "domain": {"id": "nothing"}}}),
        ("kai", {"project": {"name": "admin", "domain": {"id": DEFAULT}}}),
        ("kai", {"project": {"id": DEFAULT}}),
        ("kai", {"domain": {"id": DEFAULT}}),
        ("kai", {"domain": {"id": "nothing"}}),
        ("kai", {"domain": {"id": project}}),
        ("kai", {"system": {"all": True}}),
        ("kai", {"OS-TRUST:trust": {"id": "nothing"}}),
        ("kim", {"project": {"id": closed}}),
        ("leo", {"project": {"id": within}}),
    ]
    for name, scope in attempts:
        answer = cloud.log_in(name, scope=scope)
        assert (answer.status, answer.json()) == (401, REFUSED), scope


def test_nobody_learns_of_projects_without_a_password(cloud: Cloud) -> None:
    for scope in ({"project": {"name": "admin", "domain": {"id": DEFAULT}}}, {"project": {"id": "nothing"}}):
        assert cloud.log_in("admin", "wrong", scope=scope).json() == REFUSED


def test_without_a_scope_the_default_project_is_meant(cloud: Cloud) -> None:
    project = make.project(cloud.identity, DEFAULT)
    user = cloud.user("mia", default_project_id=project)
    assert "project" not in cloud.log_in("mia").json()["token"], "not without a role there"
    cloud.grant("member", user.id, project_id=project)
    answer = cloud.log_in("mia")
    assert answer.json()["token"]["project"]["id"] == project
    assert "project" not in cloud.log_in("mia", scope="unscoped").json()["token"]
    unscoped = cloud.token("mia")
    assert cloud.rescope(unscoped).json()["token"]["project"]["id"] == project
    projects.update(cloud.identity, project, {"enabled": False}, {})
    assert "project" not in cloud.log_in("mia").json()["token"]


def test_a_default_project_that_is_gone_is_read_over(cloud: Cloud) -> None:
    cloud.user("ned", default_project_id="gone")
    assert "project" not in cloud.log_in("ned").json()["token"]


def test_several_proofs_must_be_of_one_user(cloud: Cloud) -> None:
    cloud.user("oli")
    token = cloud.token("oli")
    both = {"methods": ["password", "token"], "token": {"id": token}}
    own = {**both, "password": {"user": {"name": "oli", "domain": {"id": DEFAULT}, "password": PASSWORD}}}
    other = {**both, "password": {"user": {"name": "admin", "domain": {"id": DEFAULT}, "password": PASSWORD}}}
    assert set(cloud.auth(own, scope="unscoped").json()["token"]["methods"]) == {"password", "token"}
    assert cloud.auth(other, scope="unscoped").json() == REFUSED


# Bodies that say nothing, or nonsense

USER = {"name": "admin", "domain": {"id": DEFAULT}, "password": PASSWORD}
GOOD = {"methods": ["password"], "password": {"user": USER}}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Expecting to find auth in request body"),
        ({"auth": {}}, "Expecting to find auth in request body"),
        ({"auth": None}, "Expecting to find auth in request body"),
        ([], "Expecting to find auth in request body"),
        ({"auth": []}, "auth"),
        ({"auth": "x"}, "auth"),
        ({"auth": {"scope": "unscoped"}}, "identity"),
        ({"auth": {"identity": []}}, "auth.identity"),
        ({"auth": {"identity": {}}}, "methods"),
        ({"auth": {"identity": {"methods": "password"}}}, "auth.identity.methods"),
        ({"auth": {"identity": {"methods": [1]}}}, "auth.identity.methods"),
        ({"auth": {"identity": {"methods": ["password"]}}}, "Expecting to find password in identity"),
        ({"auth": {"identity": {"methods": ["password"], "password": None}}}, "auth.identity.password"),
        ({"auth": {"identity": {"methods": ["password"], "password": {}}}}, "Expecting to find user in password"),
        ({"auth": {"identity": by_password()}}, "identity/password/user: id or name must be present"),
        ({"auth": {"identity": by_password(name="x")}}, "Expecting to find domain in user"),
        ({"auth": {"identity": by_password(name="x", domain={})}}, "identity/password/user/domain: id or name"),
        ({"auth": {"identity": by_password(name=1, domain={"id": "default"})}}, "auth.identity.password.user.name"),
        ({"auth": {"identity": by_password(id="x", password=1)}}, "auth.identity.password.user.password"),
        ({"auth": {"identity": {"methods": ["token"], "token": {}}}}, "id"),
        ({"auth": {"identity": {"methods": ["token"], "token": {"id": 1}}}}, "auth.identity.token.id"),
        ({"auth": {"identity": GOOD, "scope": {}}}, "Expecting to find system, project, domain"),
        ({"auth": {"identity": GOOD, "scope": "x"}}, "Expecting to find system, project, domain"),
        ({"auth": {"identity": GOOD, "scope": 1}}, "auth.scope"),
        ({"auth": {"identity": GOOD, "scope": {"project": {"id": "x"}, "domain": {"id": "x"}}}}, "Expecting to find"),
        ({"auth": {"identity": GOOD, "scope": {"project": {}}}}, "scope/project: id or name must be present"),
        ({"auth": {"identity": GOOD, "scope": {"project": {"name": "x"}}}}, "Expecting to find domain in project"),
        ({"auth": {"identity": GOOD, "scope": {"domain": {}}}}, "scope/domain: id or name must be present"),
        ({"auth": {"identity": GOOD, "scope": {"project": 1}}}, "auth.scope.project"),
        ({"auth": {"identity": GOOD, "scope": {"OS-TRUST:trust": {}}}}, "Expecting to find trust_id in trust"),
    ],
)
def test_a_bad_body_is_refused_with_the_name_of_what_is_wrong(cloud: Cloud, body: Any, message: str) -> None:
    answer = cloud.client.post("/v3/auth/tokens", body)
    assert answer.status == 400
    assert message in answer.json()["error"]["message"]


def test_no_body_and_no_json_are_refused(cloud: Cloud) -> None:
    assert cloud.client.request("POST", "/v3/auth/tokens").status == 400
    headers = {"Content-Type": "application/json"}
    assert cloud.client.request("POST", "/v3/auth/tokens", data=b"{", headers=headers).status == 400
    assert cloud.client.request("POST", "/v3/auth/tokens", data=b"[" * 50_000, headers=headers).status == 400
    assert cloud.client.request("POST", "/v3/auth/tokens", data=b"x" * 200_000, headers=headers).status == 413


@pytest.mark.parametrize("method", ["external", "mapped", "ec2credential", "saml2", "nonsense"])
def test_methods_that_this_cloud_has_not_are_named_as_such(cloud: Cloud, method: str) -> None:
    answer = cloud.auth({"methods": [method], method: {}})
    assert answer.status == 401
    error = answer.json()["error"]
    assert error["message"] == "Attempted to authenticate with an unsupported method."
    assert "password" in error["identity"]["methods"]


def test_no_method_is_no_proof(cloud: Cloud) -> None:
    assert cloud.auth({"methods": []}).json() == REFUSED


def test_an_operator_may_leave_methods_out(database_url: str, tmp_path: Any) -> None:
    cloud = Cloud(database_url, tmp_path, "[auth]\nmethods = password,token\n")
    answer = cloud.auth({"methods": ["application_credential"], "application_credential": {"id": "x", "secret": "y"}})
    assert answer.json()["error"]["identity"] == {"methods": ["password", "token"]}
    cloud.identity.db.close()


# What a token leads to


def test_the_scopes_a_user_can_get(cloud: Cloud) -> None:
    user, project = cloud.member(name="pat")
    domain = make.domain(cloud.identity)
    below = make.project(cloud.identity, domain)
    cloud.grant("member", user.id, domain_id=domain)
    group = make.group(cloud.identity, DEFAULT, user.id)
    through_group = make.project(cloud.identity, DEFAULT)
    path = f"/v3/projects/{through_group}/groups/{group}/roles/{cloud.roles['reader']}"
    assert cloud.client.put(path, token=cloud.admin_token).status == 204
    token = cloud.token("pat")

    def listed(kind: str) -> set[str]:
        answer = cloud.client.get(f"/v3/auth/{kind}", token=token)
        assert answer.status == 200
        assert answer.json()["links"]["self"].endswith(f"/v3/auth/{kind}")
        assert all(each["links"]["self"].endswith(f"/v3/{kind}/{each['id']}") for each in answer.json()[kind])
        assert cloud.client.get(f"/v3/OS-FEDERATION/{kind}", token=token).json()[kind] == answer.json()[kind]
        return {each["id"] for each in answer.json()[kind]}

    assert listed("projects") == {project, through_group}
    assert below not in listed("projects")
    assert listed("domains") == {domain}
    assert cloud.client.get("/v3/auth/system", token=token).json()["system"] == []
    assert cloud.client.get("/v3/auth/system", token=cloud.admin_token).json()["system"] == [{"all": True}]


def test_the_catalog_is_for_tokens_of_a_project(cloud: Cloud) -> None:
    answer = cloud.client.get("/v3/auth/catalog", token=cloud.admin_token)
    assert answer.status == 200
    assert answer.json()["catalog"] == cloud.validate(cloud.admin_token).json()["token"]["catalog"]
    assert cloud.client.get("/v3/auth/catalog", token=cloud.token("admin")).status == 403
    assert cloud.client.get("/v3/auth/catalog").status == 401


def test_a_login_that_is_remembered_is_still_one_that_may_be(cloud: Cloud) -> None:
    user, project = cloud.member(name="quin")
    scope = {"project": {"id": project}}
    for _ in range(3):
        assert token_of(cloud.log_in("quin", scope=scope))
    cloud.take("member", user.id, project_id=project)
    assert cloud.log_in("quin", scope=scope).status == 401
    users.update(cloud.identity, user.id, {"enabled": False}, {})
    assert cloud.log_in("quin", scope="unscoped").status == 401
