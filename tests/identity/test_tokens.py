"""Tokens through the API: issued, shown, changed into others, ended."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from cumulet.identity import app
from cumulet.identity.domain import domains, projects, roles, tokens, users
from cumulet.identity.tokens import keys
from tests.identity import make
from tests.identity.conftest import make_identity
from tests.identity.login import DEFAULT, PASSWORD, Cloud, make_clock, token_of
from tests.support import Client


@pytest.fixture(scope="module")
def cloud(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    made = Cloud(module_database_url, tmp_path_factory.mktemp("state"))
    yield made
    made.identity.db.close()


def body(cloud: Cloud, subject: str, **rest: Any) -> dict[str, Any]:
    answer = cloud.validate(subject, **rest)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json()["token"]
    return found


# What a token says


def test_a_project_scoped_token_says_who_where_and_with_what_roles(cloud: Cloud) -> None:
    user, project = cloud.member(name="ann")
    answer = cloud.log_in("ann", scope={"project": {"id": project}})
    assert answer.status == 201
    assert answer.headers["vary"] == "X-Auth-Token"
    said = answer.json()["token"]
    assert said["methods"] == ["password"]
    assert said["user"] == {
        "id": user.id,
        "name": "ann",
        "domain": {"id": DEFAULT, "name": "Default"},
        "password_expires_at": None,
    }
    assert said["project"] == {"id": project, "name": project, "domain": {"id": DEFAULT, "name": "Default"}}
    assert {role["name"] for role in said["roles"]} == {"member", "reader"}
    assert said["is_domain"] is False
    assert len(said["audit_ids"]) == 1
    assert [entry["type"] for entry in said["catalog"]] == ["identity"]
    assert said["issued_at"] < said["expires_at"]
    assert not said["issued_at"].endswith(".000000Z")


def test_what_is_shown_of_a_token_is_what_was_answered_when_it_was_issued(cloud: Cloud) -> None:
    _, project = cloud.member(name="bob")
    issued = cloud.log_in("bob", scope={"project": {"id": project}})
    token = token_of(issued)
    for asked_by in (token, cloud.admin_token):
        shown = cloud.validate(token, token=asked_by)
        assert shown.status == 200
        assert shown.headers["x-subject-token"] == token
        assert shown.json() == issued.json()


def test_a_token_shown_twice_is_the_same_bytes_object(cloud: Cloud) -> None:
    token = cloud.token("admin", project="admin")
    first, second = cloud.validate(token).body, cloud.validate(token).body
    assert first is second
    make.project(cloud.identity, DEFAULT)
    cloud.grant("member", cloud.user().id, project_id=make.project(cloud.identity, DEFAULT))
    assert cloud.validate(token).body is first, "a change elsewhere leaves the answer as it is"


@pytest.mark.parametrize("query", ["?nocatalog", "?nocatalog=", "?nocatalog=1"])
def test_nocatalog_leaves_the_catalog_out(cloud: Cloud, query: str) -> None:
    issued = cloud.log_in("admin", scope={"project": {"name": "admin", "domain": {"id": DEFAULT}}}, query=query)
    assert "catalog" not in issued.json()["token"]
    token = token_of(issued)
    assert cloud.validate(token, query=query).json() == issued.json()
    assert "catalog" in body(cloud, token)


def test_a_domain_scoped_token(cloud: Cloud) -> None:
    domain = make.domain(cloud.identity, "sales")
    cloud.grant("member", cloud.user("carl").id, domain_id=domain)
    for reference in ({"id": domain}, {"name": "sales"}):
        said = cloud.log_in("carl", scope={"domain": reference}).json()["token"]
        assert said["domain"] == {"id": domain, "name": "sales"}
        assert {role["name"] for role in said["roles"]} == {"member", "reader"}
        assert "project" not in said
        assert "catalog" in said


def test_a_system_scoped_token(cloud: Cloud) -> None:
    said = cloud.log_in("admin", scope={"system": {"all": True}}).json()["token"]
    assert said["system"] == {"all": True}
    assert "admin" in {role["name"] for role in said["roles"]}
    assert "catalog" in said
    cloud.user("dora")
    assert cloud.log_in("dora", scope={"system": {"all": True}}).status == 401


@pytest.mark.parametrize("scope", ["unscoped", {"unscoped": {}}, None])
def test_an_unscoped_token_has_no_roles_and_no_catalog(cloud: Cloud, scope: Any) -> None:
    said = cloud.log_in("admin", scope=scope).json()["token"]
    assert not {"project", "domain", "system", "roles", "catalog", "is_domain"} & said.keys()


def test_a_token_fits_into_255_characters(cloud: Cloud) -> None:
    unscoped = cloud.token("admin")
    scoped = token_of(cloud.rescope(unscoped, {"project": {"name": "admin", "domain": {"id": DEFAULT}}}))
    assert len(scoped) <= 255


def test_head_checks_a_token_without_a_body(cloud: Cloud) -> None:
    sent = {"X-Subject-Token": cloud.token("admin")}
    answer = cloud.client.head("/v3/auth/tokens", token=cloud.admin_token, headers=sent)
    assert (answer.status, answer.headers["x-subject-token"]) == (200, sent["X-Subject-Token"])
    missing = cloud.client.head("/v3/auth/tokens", token=cloud.admin_token, headers={"X-Subject-Token": "x"})
    assert missing.status == 404


# Who may ask


def test_everybody_may_ask_about_their_own_tokens_and_nobody_about_others(cloud: Cloud) -> None:
    _, project = cloud.member(name="eve")
    _, _ = cloud.member(name="fay")
    eve, fay = cloud.token("eve", project_id=project), cloud.token("fay")
    assert cloud.validate(cloud.token("eve"), token=eve).status == 200
    refused = cloud.validate(fay, token=eve)
    assert refused.status == 403
    assert refused.json()["error"]["message"].endswith("identity:validate_token.")
    assert cloud.revoke(fay, token=eve).status == 403
    assert cloud.works(fay)


def test_services_and_readers_of_the_system_may_ask_about_all(cloud: Cloud) -> None:
    subject = cloud.token("admin")
    _, project = cloud.member("service", name="nova")
    assert cloud.validate(subject, token=cloud.token("nova", project_id=project)).status == 200
    cloud.grant("reader", cloud.user("auditor").id, system=True)
    assert cloud.validate(subject, token=cloud.token("auditor", scope={"system": {"all": True}})).status == 200


@pytest.mark.parametrize("subject", ["", "x", "é", "gAAAAA" + "A" * 200])
def test_what_is_no_token_is_not_found(cloud: Cloud, subject: str) -> None:
    answer = cloud.validate(subject)
    assert answer.status == 404
    assert cloud.revoke(subject).status == 404


def test_without_a_token_or_with_a_bad_one_nothing_is_told(cloud: Cloud) -> None:
    for token in (None, "", "x", "\u0100".encode().decode("latin-1")):
        answer = cloud.client.get("/v3/auth/tokens", token=token, headers={"X-Subject-Token": cloud.admin_token})
        assert answer.status == 401
        assert answer.json()["error"]["message"] == "The request you have made requires authentication."
        assert answer.headers["www-authenticate"] == 'Keystone uri="http://cloud.test:1/v3"'


def test_headers_in_which_a_client_claims_an_identity_are_not_read(cloud: Cloud) -> None:
    claims = {
        "X-User-Id": "admin",
        "X-Roles": "admin",
        "X-Identity-Status": "Confirmed",
        "X-Is-Admin-Project": "True",
        "X-Project-Id": "admin",
        "Remote-User": "admin",
    }
    assert cloud.client.get("/v3/auth/projects", headers=claims).status == 401
    _, project = cloud.member(name="gil")
    token = cloud.token("gil", project_id=project)
    assert cloud.client.get("/v3/users", token=token, headers=claims).status == 403


def test_the_configured_admin_token_may_do_everything(database_url: str, tmp_path: Any) -> None:
    cloud = Cloud(database_url, tmp_path, "[DEFAULT]\nadmin_token = s3cret-of-the-guide\n")
    assert cloud.client.get("/v3/users", token="s3cret-of-the-guide").status == 200
    assert cloud.client.get("/v3/users", token="s3cret-of-the-guidE").status == 401
    assert cloud.client.get("/v3/users", token="é").status == 401
    assert cloud.client.get("/v3/auth/projects", token="s3cret-of-the-guide").status == 401
    cloud.identity.db.close()


def test_without_a_configured_admin_token_none_is_one(cloud: Cloud) -> None:
    assert cloud.client.get("/v3/users", token="None").status == 401


# One token for another


def test_a_token_becomes_one_of_another_scope_in_the_same_chain_and_with_the_same_end(cloud: Cloud) -> None:
    _, project = cloud.member(name="hal")
    first = cloud.log_in("hal", scope="unscoped")
    second = cloud.rescope(token_of(first), {"project": {"id": project}})
    third = cloud.rescope(token_of(second), "unscoped")
    one, two, three = (answer.json()["token"] for answer in (first, second, third))
    assert set(two["methods"]) == {"password", "token"} == set(three["methods"])
    assert two["audit_ids"][1] == one["audit_ids"][0]
    assert three["audit_ids"][1] == one["audit_ids"][0]
    assert len({one["audit_ids"][0], two["audit_ids"][0], three["audit_ids"][0]}) == 3
    assert one["expires_at"] == two["expires_at"] == three["expires_at"]


def test_no_chain_of_tokens_outlives_its_first(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud.identity, "now", cloud.identity.now)
    clock = make_clock(cloud.identity)
    cloud.user("ida")
    token = cloud.token("ida")
    end = body(cloud, token, token=token)["expires_at"]
    for _ in range(5):
        clock.pass_(hours=0.19)
        token = token_of(cloud.rescope(token, "unscoped"))
        assert body(cloud, token, token=token)["expires_at"] == end
    clock.pass_(hours=0.06)
    assert cloud.rescope(token, "unscoped").status == 404
    assert not cloud.works(token)


def test_a_bad_token_becomes_nothing(cloud: Cloud) -> None:
    assert cloud.rescope("x").status == 404
    token = cloud.token("admin")
    assert cloud.revoke(token).status == 204
    assert cloud.rescope(token).status == 404


def test_a_system_scoped_token_becomes_none_of_a_project_or_domain(cloud: Cloud) -> None:
    token = cloud.token("admin", scope={"system": {"all": True}})
    for scope in ({"project": {"name": "admin", "domain": {"id": DEFAULT}}}, {"domain": {"id": DEFAULT}}):
        assert cloud.rescope(token, scope).status == 403
    assert cloud.rescope(token, "unscoped").status == 201


def test_scoped_tokens_stay_what_they_are_where_the_operator_says_so(database_url: str, tmp_path: Any) -> None:
    cloud = Cloud(database_url, tmp_path, "[token]\nallow_rescope_scoped_token = false\n")
    assert cloud.rescope(cloud.admin_token, "unscoped").status == 403
    assert cloud.rescope(cloud.token("admin"), "unscoped").status == 201
    cloud.identity.db.close()


# Ending tokens


def test_a_revoked_token_is_over_for_everyone(cloud: Cloud) -> None:
    token = cloud.token("admin", project="admin")
    assert cloud.revoke(token, token=token).status == 204
    assert not cloud.works(token)
    assert cloud.validate(token).status == 404
    assert cloud.revoke(token).status == 404
    assert cloud.works(cloud.admin_token)


def test_revoking_the_first_of_a_chain_ends_them_all_and_a_later_one_itself_alone(cloud: Cloud) -> None:
    first = cloud.token("admin")
    scope = {"project": {"name": "admin", "domain": {"id": DEFAULT}}}
    second, third = token_of(cloud.rescope(first, scope)), token_of(cloud.rescope(first, scope))
    assert cloud.revoke(second).status == 204
    assert (cloud.works(first), cloud.works(second), cloud.works(third)) == (True, False, True)
    assert cloud.revoke(first).status == 204
    assert (cloud.works(first), cloud.works(third)) == (False, False)


def test_without_cascade_only_the_token_itself_ends(cloud: Cloud) -> None:
    first = cloud.token("admin")
    second = token_of(cloud.rescope(first, "unscoped"))
    assert cloud.revoke(first, query="?cascade=false").status == 204
    assert (cloud.works(first), cloud.works(second)) == (False, True)


def test_all_tokens_of_a_user_end_at_once(cloud: Cloud) -> None:
    user, project = cloud.member(name="jon")
    one, two = cloud.token("jon"), cloud.token("jon", project_id=project)
    assert cloud.client.delete(f"/v3/users/{user.id}/tokens", token=two).status == 204
    assert not cloud.works(one)
    assert not cloud.works(two)
    assert cloud.works(cloud.token("jon"))
    assert cloud.client.delete(f"/v3/users/{user.id}/tokens", token=cloud.admin_token).status == 204
    assert cloud.client.delete("/v3/users/nobody/tokens", token=cloud.admin_token).status == 404
    cloud.user("kim")
    assert cloud.client.delete(f"/v3/users/{user.id}/tokens", token=cloud.token("kim")).status == 403


def test_revocation_events_are_listed(cloud: Cloud) -> None:
    token = cloud.token("admin")
    audit_id = body(cloud, token)["audit_ids"][0]
    cloud.revoke(token)
    answer = cloud.client.get("/v3/OS-REVOKE/events", token=cloud.admin_token)
    assert answer.status == 200
    (event,) = [event for event in answer.json()["events"] if event.get("audit_id") == audit_id]
    assert event.keys() == {"audit_id", "issued_before", "revoked_at"}
    later = cloud.client.get("/v3/OS-REVOKE/events?since=2100-01-01T00:00:00Z", token=cloud.admin_token)
    assert later.json()["events"] == []
    assert cloud.client.get("/v3/OS-REVOKE/events?since=x", token=cloud.admin_token).status == 400
    cloud.user("lea")
    assert cloud.client.get("/v3/OS-REVOKE/events", token=cloud.token("lea")).status == 403


def test_events_are_forgotten_only_when_no_token_can_be_meant(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud.identity, "now", cloud.identity.now)
    clock = make_clock(cloud.identity)
    token = cloud.token("admin")
    cloud.revoke(token)
    clock.pass_(hours=48)
    assert tokens.flush(cloud.identity) == 0
    clock.pass_(hours=2)
    assert tokens.flush(cloud.identity) > 0


CHANGES = {
    "the role is taken": lambda cloud, user, project: cloud.take("member", user.id, project_id=project),
    "the role is deleted": lambda cloud, user, project: roles.delete(cloud.identity, cloud.roles.pop("temporary")),
    "the project is disabled": lambda cloud, user, project: projects.update(
        cloud.identity, project, {"enabled": False}, {}
    ),
    "the project is deleted": lambda cloud, user, project: projects.delete(cloud.identity, project),
    "the user is disabled": lambda cloud, user, project: users.update(cloud.identity, user.id, {"enabled": False}, {}),
    "the user is deleted": lambda cloud, user, project: users.delete(cloud.identity, user.id),
    "the password is reset": lambda cloud, user, project: users.update(
        cloud.identity, user.id, {"password": "another one"}, {}
    ),
    "the password is changed": lambda cloud, user, project: users.change_password(
        cloud.identity, user.id, PASSWORD, "another one"
    ),
    "the user's domain is disabled": lambda cloud, user, project: domains.update(
        cloud.identity, user.domain_id, {"enabled": False}, {}
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_token_is_over_from_the_next_request_on_in_every_process_when(cloud: Cloud, change: str) -> None:
    domain = make.domain(cloud.identity)
    user = cloud.user(domain_id=domain)
    project = make.project(cloud.identity, DEFAULT)
    role = "member"
    if change == "the role is deleted":
        role = "temporary"
        cloud.roles[role] = roles.create(cloud.identity, {"name": f"temporary-{user.id}"}, {})["id"]
    cloud.grant(role, user.id, project_id=project)
    proof = {"methods": ["password"], "password": {"user": {"id": user.id, "password": PASSWORD}}}
    token = token_of(cloud.auth(proof, scope={"project": {"id": project}}))
    elsewhere = cloud.another_process()
    for _ in range(2):  # so that both have it in their memory
        assert cloud.works(token)
        assert cloud.works(token, elsewhere)
    CHANGES[change](cloud, user, project)
    assert not cloud.works(token)
    assert not cloud.works(token, elsewhere)
    assert cloud.validate(token).status == 404
    sent = {"X-Subject-Token": token}
    assert elsewhere.get("/v3/auth/tokens", token=cloud.admin_token, headers=sent).status == 404


def test_a_project_that_is_opened_again_does_not_bring_its_old_tokens_back(cloud: Cloud) -> None:
    _, project = cloud.member(name="max")
    token = cloud.token("max", project_id=project)
    for enabled in (False, True):
        projects.update(cloud.identity, project, {"enabled": enabled}, {})
    assert not cloud.works(token)
    assert cloud.works(cloud.token("max", project_id=project))


def test_a_token_shows_roles_as_they_are_now(cloud: Cloud) -> None:
    user, project = cloud.member(name="ned")
    token = cloud.token("ned", project_id=project)
    cloud.grant("manager", user.id, project_id=project)
    assert "manager" in {role["name"] for role in body(cloud, token)["roles"]}


def test_a_password_changed_while_a_login_runs_ends_its_token(cloud: Cloud) -> None:
    user = cloud.user("old")
    verify = cloud.identity.passwords.verify

    def slow(user_id: str, stored: str | None, password: str) -> bool:
        known = verify(user_id, stored, password)
        users.update(cloud.identity, user.id, {"password": "another one"}, {})
        return known

    cloud.identity.passwords.verify = slow  # type: ignore[method-assign]
    try:
        answer = cloud.log_in("old", scope="unscoped")
    finally:
        cloud.identity.passwords.verify = verify  # type: ignore[method-assign]
    assert answer.status == 401 or not cloud.works(token_of(answer))


# Forged, broken, expired


def test_a_tampered_token_is_no_token(cloud: Cloud) -> None:
    token = cloud.token("admin", project="admin")
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    for position in range(0, len(raw), 7):
        forged = bytearray(raw)
        forged[position] ^= 1
        text = base64.urlsafe_b64encode(bytes(forged)).rstrip(b"=").decode()
        assert not cloud.works(text)
    assert cloud.works(token)


def test_a_token_of_another_cloud_is_no_token(cloud: Cloud, database_url: str, tmp_path: Any) -> None:
    other = Cloud(database_url, tmp_path)
    assert not cloud.works(other.admin_token)
    other.identity.db.close()


def test_an_expired_token_is_over_and_services_may_still_ask_about_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud.identity, "now", cloud.identity.now)
    clock = make_clock(cloud.identity)
    _, service_project = cloud.member("service", name="glance")
    pia, project = cloud.member(name="pia")
    old, revoked = cloud.token("pia", project_id=project), cloud.token("pia", project_id=project)
    cloud.revoke(revoked)
    assert cloud.works(old)
    clock.pass_(hours=1.1)
    assert not cloud.works(old)
    service = cloud.token("glance", project_id=service_project)
    assert cloud.validate(old, token=service).status == 404
    shown = cloud.validate(old, token=service, query="?allow_expired=1")
    assert shown.status == 200
    assert shown.json()["token"]["project"]["id"] == project
    assert cloud.validate(revoked, token=service, query="?allow_expired=1").status == 404
    assert cloud.validate(old, token=cloud.token("pia"), query="?allow_expired=1").status == 404
    cloud.take("member", pia.id, project_id=project)
    assert cloud.validate(old, token=service, query="?allow_expired=1").status == 404
    cloud.grant("member", pia.id, project_id=project)
    clock.pass_(hours=48)
    service = cloud.token("glance", project_id=service_project)
    assert cloud.validate(old, token=service, query="?allow_expired=1").status == 404


def test_jws_tokens_do_the_same(database_url: str, tmp_path: Any) -> None:
    cloud = Cloud(database_url, tmp_path, "[token]\nprovider = jws\n")
    token = cloud.token("admin", project="admin")
    assert token.count(".") == 2
    assert body(cloud, token)["project"]["name"] == "admin"
    assert cloud.works(token, cloud.another_process())
    second = token_of(cloud.rescope(token, "unscoped"))
    assert cloud.revoke(token).status == 204
    assert not cloud.works(second)
    cloud.identity.db.close()


def test_keys_in_a_directory_of_the_operators_are_the_operators_to_make(database_url: str, tmp_path: Any) -> None:
    repository = tmp_path / "fernet"
    identity = make_identity(database_url, tmp_path, f"[fernet_tokens]\nkey_repository = {repository}\n")
    client = Client(app.build_api(identity))
    answer = client.get("/v3/auth/projects", token="A" * 180)
    assert answer.status == 503
    assert str(repository) not in answer.body.decode()
    keys.setup(repository)
    assert client.get("/v3/auth/projects", token="A" * 180).status == 401
    identity.db.close()


# Of former times


def test_the_lists_of_pki_tokens_are_gone(cloud: Cloud) -> None:
    assert cloud.client.get("/v3/auth/tokens/OS-PKI/revoked").status == 403
    for path in ("ca", "certificates"):
        assert cloud.client.get(f"/v3/OS-SIMPLE-CERT/{path}").status == 410
