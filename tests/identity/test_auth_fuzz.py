"""Whatever is sent to log in or to give rights away, the answer is a refusal with a reason and never a failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.identity.login import DEFAULT, PASSWORD, Cloud

SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

TEXT = st.text(max_size=20) | st.sampled_from(
    ["admin", DEFAULT, PASSWORD, "unscoped", "all", "\0", "'; --", "%s", "\ud800", "x" * 300, "password", "2100-01-01"]
)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly of the right form, with some keys missing, some wrong, some more."""
    right = st.fixed_dictionaries({}, optional={name: value | JSON for name, value in fields.items()})
    return right | st.builds(lambda one, more: {**more, **one}, right, st.dictionaries(TEXT, JSON, max_size=2)) | JSON


DOMAIN = objects(id=TEXT, name=TEXT)
USER = objects(id=TEXT, name=TEXT, domain=DOMAIN, password=TEXT, passcode=TEXT)
METHODS = st.lists(
    st.sampled_from(["password", "token", "totp", "application_credential", "mapped"]) | TEXT, max_size=3
)
IDENTITY = objects(
    methods=METHODS,
    password=objects(user=USER),
    token=objects(id=TEXT),
    totp=objects(user=USER),
    application_credential=objects(id=TEXT, name=TEXT, secret=TEXT, user=USER),
)
SCOPE = objects(
    project=objects(id=TEXT, name=TEXT, domain=DOMAIN),
    domain=DOMAIN,
    system=objects(all=st.booleans()),
    unscoped=JSON,
    **{"OS-TRUST:trust": objects(id=TEXT)},
)
AUTH = objects(auth=objects(identity=IDENTITY, scope=SCOPE))

ROLES = st.lists(objects(id=TEXT, name=TEXT), max_size=2)
TRUST = objects(
    trust=objects(
        trustor_user_id=TEXT,
        trustee_user_id=TEXT,
        project_id=TEXT,
        impersonation=st.booleans(),
        expires_at=TEXT,
        remaining_uses=st.integers(),
        allow_redelegation=st.booleans(),
        redelegation_count=st.integers(),
        roles=ROLES,
    )
)
APPLICATION_CREDENTIAL = objects(
    application_credential=objects(
        name=TEXT,
        secret=TEXT,
        description=TEXT,
        expires_at=TEXT,
        unrestricted=st.booleans(),
        roles=ROLES,
        access_rules=st.lists(objects(id=TEXT, service=TEXT, path=TEXT, method=TEXT), max_size=2),
    )
)
CREDENTIAL = objects(credential=objects(user_id=TEXT, type=TEXT | st.just("ec2"), blob=TEXT, project_id=TEXT))
SIGNED = objects(
    credentials=objects(
        access=TEXT,
        signature=TEXT,
        token=TEXT,
        host=TEXT,
        verb=TEXT,
        path=TEXT,
        params=objects(SignatureVersion=st.sampled_from(["2", "4"]), Timestamp=TEXT),
        headers=objects(Authorization=TEXT | st.just("AWS4-HMAC-SHA256 Credential=a/b/c/d/e")),
        body_hash=TEXT,
    )
)


@pytest.fixture(scope="module")
def cloud(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    made = Cloud(module_database_url, tmp_path_factory.mktemp("state"))
    yield made
    made.identity.db.close()


def check(cloud: Cloud, path: str, body: Any, token: str | None = None) -> None:
    # Written by the standard library, which spells lone surrogates and huge numbers as a client may.
    sent = {"Content-Type": "application/json"}
    answer = cloud.client.request(
        "POST", path, data=json.dumps(body).encode(), token=token, headers=sent, receipts=True
    )
    assert answer.status < 500, (path, body, answer.body)
    if answer.status >= 400:
        assert answer.json()["error"]["message"]


@SETTINGS
@given(AUTH)
def test_logins(cloud: Cloud, body: Any) -> None:
    check(cloud, "/v3/auth/tokens", body)


@SETTINGS
@given(TRUST)
def test_trusts(cloud: Cloud, body: Any) -> None:
    check(cloud, "/v3/OS-TRUST/trusts", body, cloud.admin_token)


@settings(SETTINGS, max_examples=60)
@given(APPLICATION_CREDENTIAL)
def test_application_credentials(cloud: Cloud, body: Any) -> None:
    user = cloud.validate(cloud.admin_token).json()["token"]["user"]["id"]
    check(cloud, f"/v3/users/{user}/application_credentials", body, cloud.admin_token)


@SETTINGS
@given(CREDENTIAL)
def test_credentials(cloud: Cloud, body: Any) -> None:
    check(cloud, "/v3/credentials", body, cloud.admin_token)


@SETTINGS
@given(SIGNED, st.sampled_from(["ec2", "s3"]))
def test_signed_requests(cloud: Cloud, body: Any, kind: str) -> None:
    check(cloud, f"/v3/{kind}tokens", body, cloud.admin_token)


HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)


@SETTINGS
@given(token=HEADER, subject=HEADER, service=HEADER, rules=HEADER, query=st.text(max_size=10))
def test_headers(cloud: Cloud, token: str, subject: str, service: str, rules: str, query: str) -> None:
    sent = {"X-Subject-Token": subject, "X-Service-Token": service, "OpenStack-Identity-Access-Rules": rules}
    for caller in (token, cloud.admin_token):
        answer = cloud.client.get("/v3/auth/tokens", token=caller, headers=sent)
        assert answer.status in (401, 404)
    del sent["X-Service-Token"]
    assert cloud.client.get("/v3/auth/tokens", token=cloud.admin_token, headers=sent).status == 404


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "\udcff", "x" * 100_000, "💥", "'"])
def test_names_that_no_database_holds_are_unknown(cloud: Cloud, text: str) -> None:
    default = {"domain": {"id": DEFAULT}}
    proof = {"methods": ["password"], "password": {"user": {"name": "admin", "password": PASSWORD, **default}}}
    application_credential = {"name": text, "user": {"id": text}, "secret": text}
    for auth in (
        {"identity": {"methods": ["password"], "password": {"user": {"id": text, "password": text}}}},
        {"identity": {"methods": ["password"], "password": {"user": {"name": text, "password": text, **default}}}},
        {"identity": {"methods": ["password"], "password": {"user": {"name": text, "domain": {"name": text}}}}},
        {"identity": {"methods": ["totp"], "totp": {"user": {"id": text, "passcode": text}}}},
        {"identity": {"methods": ["token"], "token": {"id": text}}},
        {"identity": {"methods": ["application_credential"], "application_credential": application_credential}},
        {"identity": {"methods": ["application_credential"], "application_credential": {"id": text, "secret": text}}},
        {"identity": proof, "scope": {"project": {"id": text}}},
        {"identity": proof, "scope": {"project": {"name": text, **default}}},
        {"identity": proof, "scope": {"domain": {"name": text}}},
        {"identity": proof, "scope": {"OS-TRUST:trust": {"id": text}}},
    ):
        check(cloud, "/v3/auth/tokens", {"auth": auth})
    admin = cloud.validate(cloud.admin_token).json()["token"]["user"]["id"]
    check(
        cloud,
        f"/v3/users/{admin}/application_credentials",
        {"application_credential": {"name": text}},
        cloud.admin_token,
    )
    for fields in ({"blob": text}, {"blob": "x", "note": text}, {"user_id": text, "blob": "x"}):
        check(cloud, "/v3/credentials", {"credential": {"user_id": admin, "type": "x", **fields}}, cloud.admin_token)
