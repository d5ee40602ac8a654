"""Multi-factor logins: rules, receipts and one-time passwords."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from cumulet.identity.domain import totp, users
from cumulet.kernel.client import Response
from tests.identity.login import DEFAULT, PASSWORD, Cloud, make_clock, token_of

SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.fixture(scope="module")
def cloud(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    made = Cloud(module_database_url, tmp_path_factory.mktemp("state"))
    yield made
    made.identity.db.close()


def make_user(cloud: Cloud, name: str, *rules: list[str], secret: str = SECRET, **options: Any) -> users.User:
    user = cloud.user(name, options={"multi_factor_auth_rules": list(rules), **options})
    body = {"credential": {"user_id": user.id, "type": "totp", "blob": secret}}
    assert cloud.client.post("/v3/credentials", body, token=cloud.admin_token).status == 201
    return user


def code(cloud: Cloud, secret: str = SECRET, *, windows: int = 0) -> str:
    return totp.passcode(secret, cloud.identity.now() + windows * 30_000_000)


def log_in(
    cloud: Cloud, name: str, *, password: str | None = None, passcode: Any = None, receipt: str | None = None
) -> Response:
    user = {"name": name, "domain": {"id": DEFAULT}}
    identity: dict[str, Any] = {"methods": []}
    if password is not None:
        identity["methods"].append("password")
        identity["password"] = {"user": {**user, "password": password}}
    if passcode is not None:
        identity["methods"].append("totp")
        identity["totp"] = {"user": {**user, "passcode": passcode}}
    headers = {"Openstack-Auth-Receipt": receipt} if receipt is not None else {}
    return cloud.auth(identity, scope="unscoped", headers=headers, receipts=True)


@pytest.mark.parametrize(
    ("at", "wanted"), [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (2000000000, "279037")]
)
def test_passcodes_are_those_of_rfc_6238(at: int, wanted: str) -> None:
    assert totp.passcode(SECRET, at * 1_000_000) == wanted
    assert totp.passcode(SECRET.rstrip("=").lower(), at * 1_000_000) == wanted


def test_a_one_time_password_alone_is_a_login(cloud: Cloud) -> None:
    make_user(cloud, "ann")
    answer = log_in(cloud, "ann", passcode=code(cloud))
    assert answer.json()["token"]["methods"] == ["totp"]
    assert log_in(cloud, "ann", passcode=code(cloud, windows=-1)).status == 201
    for wrong in (code(cloud, windows=-3), code(cloud, windows=2), "", "x", "é", "123456789"):
        assert log_in(cloud, "ann", passcode=wrong).status == 401


def test_who_has_no_secret_or_a_broken_one_has_no_one_time_password(cloud: Cloud) -> None:
    make_user(cloud, "ben", secret="not base32!")
    cloud.user("bob")
    for name in ("ben", "bob", "nobody"):
        assert log_in(cloud, name, passcode="000000").status == 401


def test_both_methods_at_once(cloud: Cloud) -> None:
    make_user(cloud, "cal", ["password", "totp"])
    answer = log_in(cloud, "cal", password=PASSWORD, passcode=code(cloud))
    assert set(answer.json()["token"]["methods"]) == {"password", "totp"}


def test_one_method_gets_a_receipt_for_the_other(cloud: Cloud) -> None:
    user = make_user(cloud, "dee", ["password", "totp"])
    half = log_in(cloud, "dee", password=PASSWORD)
    assert half.status == 401
    body = half.json()
    assert body["required_auth_methods"] == [["password", "totp"]]
    assert body["receipt"]["methods"] == ["password"]
    assert body["receipt"]["user"] == {"id": user.id, "name": "dee", "domain": {"id": DEFAULT, "name": "Default"}}
    assert body["receipt"]["issued_at"] < body["receipt"]["expires_at"]
    receipt = half.headers["openstack-auth-receipt"]
    whole = log_in(cloud, "dee", passcode=code(cloud), receipt=receipt)
    assert set(whole.json()["token"]["methods"]) == {"password", "totp"}
    assert cloud.works(token_of(whole))


def test_a_receipt_is_no_token_and_good_for_its_user_alone(cloud: Cloud) -> None:
    make_user(cloud, "eve", ["password", "totp"])
    make_user(cloud, "fin", ["password", "totp"])
    receipt = log_in(cloud, "eve", password=PASSWORD).headers["openstack-auth-receipt"]
    assert not cloud.works(receipt)
    for other in (receipt, "x", cloud.admin_token):
        answer = log_in(cloud, "fin", passcode=code(cloud), receipt=other)
        assert answer.status == 401
        assert "openstack-auth-receipt" not in answer.headers
    assert log_in(cloud, "eve", password="wrong", receipt=receipt).status == 401


def test_a_receipt_ends_soon_and_with_the_password_it_is_for(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud.identity, "now", cloud.identity.now)
    user = make_user(cloud, "gia", ["password", "totp"])
    receipt = log_in(cloud, "gia", password=PASSWORD).headers["openstack-auth-receipt"]
    users.update(cloud.identity, user.id, {"password": "another one"}, {})
    assert log_in(cloud, "gia", passcode=code(cloud), receipt=receipt).status == 401
    receipt = log_in(cloud, "gia", password="another one").headers["openstack-auth-receipt"]
    clock = make_clock(cloud.identity)
    clock.pass_(seconds=299)
    assert log_in(cloud, "gia", passcode=code(cloud), receipt=receipt).status == 201
    clock.pass_(seconds=2)
    assert log_in(cloud, "gia", passcode=code(cloud), receipt=receipt).status == 401


def test_any_one_rule_is_enough(cloud: Cloud) -> None:
    make_user(cloud, "hal", ["password", "totp"], ["password"])
    assert log_in(cloud, "hal", password=PASSWORD).status == 201
    assert log_in(cloud, "hal", passcode=code(cloud)).status == 401


def test_rules_that_cannot_be_met_lock_nobody_out(cloud: Cloud) -> None:
    make_user(cloud, "ivy", ["retina"])
    assert log_in(cloud, "ivy", password=PASSWORD).status == 201
    make_user(cloud, "jed", ["password", "retina"])
    assert log_in(cloud, "jed", password=PASSWORD).status == 201
    assert log_in(cloud, "jed", passcode=code(cloud)).status == 401


def test_rules_can_be_switched_off(cloud: Cloud) -> None:
    make_user(cloud, "kit", ["password", "totp"], multi_factor_auth_enabled=False)
    assert log_in(cloud, "kit", password=PASSWORD).status == 201


def test_a_token_with_all_methods_becomes_others(cloud: Cloud) -> None:
    make_user(cloud, "lou", ["password", "totp"])
    token = token_of(log_in(cloud, "lou", password=PASSWORD, passcode=code(cloud)))
    assert cloud.rescope(token, "unscoped").status == 201


def test_wrong_one_time_passwords_lock_the_account_too(database_url: str, tmp_path: Any) -> None:
    cloud = Cloud(database_url, tmp_path, "[security_compliance]\nlockout_failure_attempts = 3\n")
    make_user(cloud, "mo")
    for _ in range(3):
        assert log_in(cloud, "mo", passcode="000000").status == 401
    assert log_in(cloud, "mo", passcode=code(cloud)).status == 401
    assert log_in(cloud, "mo", password=PASSWORD).status == 401
    cloud.identity.db.close()
