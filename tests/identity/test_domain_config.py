"""`/v3/domains/{id}/config`: a domain's own options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.identity.conftest import Caller, make_identity
from tests.identity.resources import make

pytestmark = pytest.mark.usefixtures("default_domain")
LDAP = {"url": "ldap://here", "user_tree_dn": "dc=x", "password": "secret"}


def _message(answer: Any) -> str:
    return str(answer.json()["error"]["message"])


@pytest.fixture
def domain(client: Caller) -> str:
    return str(make(client, "domain")["id"])


@pytest.fixture
def path(client: Caller, domain: str) -> str:
    """Of a domain with options in two groups."""
    path = f"/v3/domains/{domain}/config"
    assert client.put(path, {"config": {"ldap": LDAP, "identity": {"driver": "ldap"}}}).status == 201
    return path


def test_a_configuration_is_made_shown_replaced_and_deleted(client: Caller, domain: str) -> None:
    path = f"/v3/domains/{domain}/config"
    assert _message(client.get(path)) == f"Could not find any options in domain configuration for domain {domain}."
    made = client.put(path, {"config": {"ldap": LDAP}})
    shown = {"config": {"ldap": {"url": "ldap://here", "user_tree_dn": "dc=x"}}}
    assert (made.status, made.json()) == (201, shown)
    assert client.get(path).json() == shown
    replaced = client.put(path, {"config": {"identity": {"driver": "ldap", "list_limit": 3}}})
    assert (replaced.status, replaced.json()["config"]) == (200, {"identity": {"driver": "ldap", "list_limit": 3}})
    assert client.get(path).json() == replaced.json()
    assert client.delete(path).status == client.delete(path).status == 204
    assert client.get(path).status == 404


def test_groups_and_options_stand_alone(client: Caller, domain: str, path: str) -> None:
    assert client.get(f"{path}/identity").json() == {"config": {"identity": {"driver": "ldap"}}}
    assert client.get(f"{path}/ldap/url").json() == {"config": {"url": "ldap://here"}}
    message = f"Could not find option page_size in group ldap in domain configuration for domain {domain}."
    assert _message(client.get(f"{path}/ldap/page_size")) == message
    assert client.delete(f"{path}/ldap/url").status == 204
    assert client.delete(f"{path}/ldap/url").status == 404
    assert client.delete(f"{path}/identity").status == 204
    message = f"Could not find group identity in domain configuration for domain {domain}."
    assert _message(client.delete(f"{path}/identity")) == message
    assert client.get(path).json() == {"config": {"ldap": {"user_tree_dn": "dc=x"}}}


def test_secrets_are_not_shown(client: Caller, path: str) -> None:
    assert client.get(f"{path}/ldap/password").status == 404
    assert b"secret" not in client.get(path).body + client.get(f"{path}/ldap").body
    assert b"new-secret" not in client.patch(path, {"config": {"ldap": {"password": "new-secret"}}}).body


def test_updates_change_only_what_they_name(client: Caller, path: str) -> None:
    changed = client.patch(path, {"config": {"ldap": {"page_size": 5}, "identity": {"driver": "sql"}}})
    ldap = {"url": "ldap://here", "user_tree_dn": "dc=x", "page_size": 5}
    assert changed.json() == {"config": {"ldap": ldap, "identity": {"driver": "sql"}}}
    changed = client.patch(f"{path}/ldap", {"config": {"ldap": {"url": "ldap://there"}}})
    assert changed.json()["config"]["ldap"] == {**ldap, "url": "ldap://there"}
    changed = client.patch(f"{path}/ldap/url", {"config": {"url": "ldap://elsewhere"}})
    assert changed.json()["config"]["ldap"] == {**ldap, "url": "ldap://elsewhere"}
    refused = client.patch(f"{path}/ldap/group_tree_dn", {"config": {"group_tree_dn": "x"}})
    assert refused.status == 404


REFUSED = "Invalid domain specific configuration: "


@pytest.mark.parametrize(
    ("where", "config", "reason"),
    [
        ("", {}, "No options specified."),
        (
            "",
            {"ldap": "x"},
            "The value of group ldap specified in the config should be a dictionary of options.",
        ),
        ("", {"ldap": {}}, "The value of group ldap specified in the config should be a dictionary of options."),
        ("", {"foo": {"url": "x"}}, "Group foo is not supported for domain specific configurations."),
        ("", {"ldap": {"foo": "x"}}, "Option foo in group ldap is not supported for domain specific configurations."),
        ("/foo", {"foo": {"url": "a"}}, "Group foo is not supported for domain specific configurations."),
        (
            "/ldap",
            {"identity": {"driver": "sql"}},
            "request to update group ldap, but config provided contains group identity instead.",
        ),
        (
            "/ldap",
            {"ldap": {"url": "a"}, "identity": {"driver": "sql"}},
            "Trying to update group ldap, so that, and only that, group must be specified in the config.",
        ),
        (
            "/ldap/url",
            {"user": "b"},
            "Trying to update option url in group ldap, but config provided contains option user instead.",
        ),
        (
            "/ldap/nope",
            {"nope": "b"},
            "Option nope in group ldap is not supported for domain specific configurations.",
        ),
    ],
)
def test_what_domains_do_not_have_is_refused(
    client: Caller, path: str, where: str, config: dict[str, Any], reason: str
) -> None:
    before = client.get(path).json()
    refused = client.patch(path + where, {"config": config})
    assert (refused.status, _message(refused)) == (403, REFUSED + reason)
    if not where:
        refused = client.put(path, {"config": config})
        assert (refused.status, _message(refused)) == (403, REFUSED + reason)
    assert client.get(path).json() == before


def test_unknown_names_are_refused_everywhere(client: Caller, path: str) -> None:
    for method in ("GET", "DELETE"):
        assert client.request(method, f"{path}/foo").status == 403
        assert client.request(method, f"{path}/ldap/foo").status == 403
    assert client.put(path, {"config": "text"}).status == 400
    assert client.put("/v3/domains/nope/config", {"config": {"ldap": LDAP}}).status == 404
    assert client.patch("/v3/domains/nope/config/ldap", {"config": {"ldap": LDAP}}).status == 404


def test_the_defaults_are_the_operators(client: Caller) -> None:
    every = client.get("/v3/domains/config/default").json()["config"]
    assert every["identity"] == {"driver": "sql", "list_limit": None}
    assert every["ldap"]["url"] == "ldap://localhost"
    assert every["ldap"]["user_attribute_ignore"] == ["default_project_id"]
    assert "password" not in every["ldap"]
    assert client.get("/v3/domains/config/ldap/default").json()["config"] == {"ldap": every["ldap"]}
    assert client.get("/v3/domains/config/ldap/url/default").json() == {"config": {"url": "ldap://localhost"}}
    assert client.get("/v3/domains/config/foo/default").status == 403
    assert client.get("/v3/domains/config/ldap/foo/default").status == 403
    assert client.get("/v3/domains/config").status == 404


@pytest.fixture(scope="module")
def strict(module_migrated_urls: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """An Identity with rules for passwords."""
    rules = (
        "[security_compliance]\npassword_regex = ^.{7,}$\npassword_regex_description = seven\n[ldap]\nurl = ldap://op"
    )
    identity = make_identity(module_migrated_urls("identity"), tmp_path_factory.mktemp("strict"), rules)
    yield Caller(identity, "admin")
    identity.db.close()


def test_everybody_may_read_the_rules_for_passwords(strict: Caller) -> None:
    anybody = strict.as_("anybody", user_id="u")
    path = "/v3/domains/default/config/security_compliance"
    rules = {"password_regex": "^.{7,}$", "password_regex_description": "seven"}
    assert anybody.get(path).json() == {"config": {"security_compliance": rules}}
    assert anybody.get(f"{path}/password_regex").json() == {"config": {"password_regex": "^.{7,}$"}}
    assert anybody.get(f"{path}/lockout_duration").status == 403
    assert anybody.get("/v3/domains/other/config/security_compliance").status == 403
    assert strict.put("/v3/domains/default/config", {"config": {"security_compliance": rules}}).status in (403, 404)
    assert strict.get("/v3/domains/config/ldap/url/default").json() == {"config": {"url": "ldap://op"}}


def test_only_administrators_and_the_systems_readers_look(client: Caller, path: str) -> None:
    system, member = client.as_("system_reader"), client.as_("member")
    assert system.get(path).status == system.get("/v3/domains/config/default").status == 200
    assert system.patch(path, {"config": {"ldap": {"page_size": 1}}}).status == 403
    assert member.get(path).status == member.get("/v3/domains/config/default").status == 403
    assert member.put(path, {"config": {"ldap": LDAP}}).status == 403
    assert member.delete(path).status == 403
