"""A service's own login: with the password of its conf, or with the one that the cloud made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cumulet.kernel import client
from cumulet.kernel.client import Transport, Unreachable
from cumulet.kernel.environment import Environment
from cumulet.kernel.settings import Settings

CONF = "[keystone_authtoken]\nusername = {user}\npassword = {password}\n"


class Identity:
    """Knows one password of `nova`."""

    def __init__(self, password: str) -> None:
        self.password = password
        self.tried: list[str] = []
        self.catalog: list[dict[str, Any]] = []
        self.refusal = "401 Unauthorized"

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = json.loads(environ["wsgi.input"].read())
        self.tried.append(body["auth"]["identity"]["password"]["user"]["password"])
        fits = self.tried[-1] == self.password
        start_response("201 Created" if fits else self.refusal, [("X-Subject-Token", "a-token")])
        return [json.dumps({"token": {"catalog": self.catalog}}).encode()]


def environment(tmp_path: Path, password: str, conf: str = "") -> tuple[Environment, Identity]:
    """A cloud that made the password `made`."""
    settings = Settings(state_dir=str(tmp_path))
    settings.paths.make()
    (settings.paths.keys / "passwords.json").write_bytes(msgspec.json.encode({"nova": "made"}))
    if conf:
        (settings.paths.config / "nova.conf").write_text(conf)
    identity = Identity(password)
    env = Environment(settings, Transport())
    env.transport.local[env.auth_url.removesuffix("/v3")] = identity
    return env, identity


def test_without_a_conf_the_password_is_the_one_made(tmp_path: Path) -> None:
    env, identity = environment(tmp_path, "made")
    assert env.service_session("nova").token() == "a-token"
    assert identity.tried == ["made"]


def test_a_user_made_by_hand_has_the_password_of_the_conf(tmp_path: Path) -> None:
    env, identity = environment(tmp_path, "NOVA_PASS", CONF.format(user="nova", password="NOVA_PASS"))
    assert env.service_session("nova").token() == "a-token"
    assert identity.tried == ["NOVA_PASS"]


def test_a_conf_for_a_user_that_the_cloud_made_does_no_harm(tmp_path: Path) -> None:
    env, identity = environment(tmp_path, "made", CONF.format(user="nova", password="NOVA_PASS"))
    session = env.service_session("nova")
    assert session.token() == "a-token"
    session.forget()
    assert session.token() == "a-token"
    assert identity.tried == ["NOVA_PASS", "made", "made"], "the one that fitted goes first"


def test_the_old_names_of_user_and_password_are_read(tmp_path: Path) -> None:
    conf = "[keystone_authtoken]\nidentity_uri = http://controller:35357\nadmin_user = nova\nadmin_password = 123\n"
    env, identity = environment(tmp_path, "123", conf)
    assert env.service_session("nova").token() == "a-token"
    assert identity.tried == ["123"]


def test_a_service_that_is_registered_later_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env, identity = environment(tmp_path, "made")
    session = env.service_session("nova")
    for _ in range(3):
        with pytest.raises(LookupError, match="no endpoint of type image"):
            session.endpoint("image")
    assert len(identity.tried) == 1, "Identity is not asked every time"
    there = {"interface": "public", "region_id": "RegionOne", "url": "http://controller:9292/"}
    identity.catalog = [{"type": "image", "endpoints": [there]}]
    monkeypatch.setattr(client, "_CATALOG_GOOD_S", 0.0)
    assert session.endpoint("image") == "http://controller:9292"


def test_another_users_password_is_not_tried(tmp_path: Path) -> None:
    env, identity = environment(tmp_path, "made", CONF.format(user="somebody", password="other"))
    assert env.service_session("nova").token() == "a-token"
    assert identity.tried == ["made"]


def test_where_neither_fits_it_is_told_where_the_password_belongs(tmp_path: Path) -> None:
    env, _ = environment(tmp_path, "unknown", CONF.format(user="nova", password="NOVA_PASS"))
    with pytest.raises(Unreachable, match=r"\[keystone_authtoken\] of nova\.conf") as raised:
        env.service_session("nova").token()
    assert "NOVA_PASS" not in str(raised.value)


def test_an_identity_without_its_database_is_no_wrong_password(tmp_path: Path) -> None:
    env, identity = environment(tmp_path, "another")
    identity.refusal = "503 Service Unavailable"
    with pytest.raises(Unreachable, match="answered 503") as told:
        env.service_session("nova").token()
    assert "password" not in str(told.value)
