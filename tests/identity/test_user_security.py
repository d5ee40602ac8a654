"""Passwords of users: their own changes, the operator's `[security_compliance]`, lockout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from cumulet.identity import tables
from cumulet.identity.domain import user_security, users
from cumulet.kernel import clock
from cumulet.kernel.client import Response
from cumulet.kernel.errors import Unauthorized
from cumulet.kernel.ids import hex_id
from tests.identity.conftest import Caller, make_identity
from tests.identity.resources import make

SECOND = 1_000_000
DAY = 86_400 * SECOND
NOW = 1_800_000_000 * SECOND + 123_456
UNAUTHORIZED = "The request you have made requires authentication."

Cloud = Callable[..., Caller]


@pytest.fixture
def cloud(migrated_urls: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """`cloud(password_regex="…")`: an Identity with these rules, its clock at NOW, and a default domain."""
    made = []

    def make_cloud(**rules: Any) -> Caller:
        lines = "\n".join(f"{name} = {value}" for name, value in rules.items())
        state = tmp_path_factory.mktemp(f"rules{len(made)}")
        identity = make_identity(migrated_urls("identity"), state, f"[security_compliance]\n{lines}")
        made.append(identity)
        identity.now = lambda: NOW
        client = Caller(identity, "admin")
        with identity.db.write() as connection:
            row = {"id": "default", "domain_id": tables.ROOT, "name": "Default", "is_domain": True}
            connection.execute(sa.insert(tables.projects).values(**row, options="{}", extra="{}"))
        return client

    yield make_cloud
    for identity in made:
        identity.db.close()


def _message(answer: Response) -> str:
    return str(answer.json()["error"]["message"])


def change(client: Caller, user_id: str, original: str, password: str) -> Response:
    body = {"user": {"original_password": original, "password": password}}
    return Caller(client.identity, "", client.known).post(f"/v3/users/{user_id}/password", body)


def knows(client: Caller, user_id: str, password: str) -> bool:
    try:
        user_security.check_password(client.identity, users.show(client.identity, user_id), password)
    except Unauthorized:
        return False
    return True


def at(client: Caller, moment: int) -> None:
    client.identity.now = lambda: moment


def test_a_user_changes_the_password_without_a_token(cloud: Cloud) -> None:
    client = cloud()
    user = make(client, "user", password="old")["id"]
    assert change(client, user, "old", "new").status == 204
    assert knows(client, user, "new") and not knows(client, user, "old")
    for user_id, original in ((user, "old"), ("nope", "new"), (make(client, "user")["id"], "")):
        refused = change(client, user_id, original, "x")
        assert (refused.status, _message(refused)) == (401, UNAUTHORIZED)
    with client.identity.db.read() as connection:
        ended = sa.select(tables.revocations).where(tables.revocations.c.user_id == user)
        assert connection.execute(ended).first() is not None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user": {"original_password": "old"}},
        {"user": {"password": "new"}},
        {"user": {"original_password": "old", "password": None}},
        {"user": {"original_password": "old", "password": 7}},
        {"user": {"original_password": "old", "password": "new", "other": 1}},
    ],
)
def test_both_passwords_are_needed(cloud: Cloud, body: Any) -> None:
    client = cloud()
    user = make(client, "user", password="old")["id"]
    assert client.post(f"/v3/users/{user}/password", body).status == 400
    assert knows(client, user, "old")


def test_an_administrator_sets_and_takes_a_password(cloud: Cloud) -> None:
    client = cloud()
    user = make(client, "user")["id"]
    assert not knows(client, user, "")
    client.patch(f"/v3/users/{user}", {"user": {"password": "set"}})
    assert knows(client, user, "set")
    client.patch(f"/v3/users/{user}", {"user": {"password": None}})
    assert not knows(client, user, "set")


def test_a_disabled_user_or_domain_changes_nothing(cloud: Cloud) -> None:
    client = cloud()
    domain = make(client, "domain")["id"]
    user = make(client, "user", password="old", domain_id=domain)["id"]
    client.patch(f"/v3/users/{user}", {"user": {"enabled": False}})
    refused = change(client, user, "old", "new")
    assert (refused.status, _message(refused)) == (401, f"The account is disabled for user: {user}.")
    assert _message(change(client, user, "wrong", "new")) == UNAUTHORIZED
    client.patch(f"/v3/users/{user}", {"user": {"enabled": True}})
    client.patch(f"/v3/domains/{domain}", {"domain": {"enabled": False}})
    assert change(client, user, "old", "new").status == 401


def test_passwords_are_as_strong_as_the_operator_says(cloud: Cloud) -> None:
    client = cloud(password_regex=r"^(?=.*\d)(?=.*[a-zA-Z]).{7,}$", password_regex_description="seven and a digit")
    weak = "The password does not match the requirements: seven and a digit."
    refused = client.post("/v3/users", {"user": {"name": "weak", "password": "weak"}})
    assert (refused.status, _message(refused)) == (400, weak)
    user = make(client, "user", password="passw0rd")["id"]
    assert _message(client.patch(f"/v3/users/{user}", {"user": {"password": "weak"}})) == weak
    assert _message(change(client, user, "passw0rd", "weak")) == weak
    assert _message(change(client, user, "wrong", "weak")) == UNAUTHORIZED
    assert change(client, user, "passw0rd", "passw0rd2").status == 204


def test_passwords_expire(cloud: Cloud) -> None:
    client = cloud(password_expires_days=30)
    shown = make(client, "user", password="old")
    expires = (NOW // SECOND * SECOND) + 30 * DAY
    assert shown["password_expires_at"] == clock.iso_micro(expires)[:-1]
    assert make(client, "user")["password_expires_at"] is None
    spared = make(client, "user", password="old", options={"ignore_password_expiry": True})["id"]
    user = users.show(client.identity, shown["id"])
    assert not user_security.is_expired(user, expires - 1)
    assert user_security.is_expired(user, expires)
    assert not user_security.is_expired(users.show(client.identity, spared), expires)
    at(client, expires + DAY)
    assert change(client, shown["id"], "old", "new").status == 204  # an expired password still changes itself
    assert client.get(f"/v3/users/{shown['id']}").json()["user"]["password_expires_at"] > shown["password_expires_at"]


def test_users_are_found_by_expiry(cloud: Cloud) -> None:
    client = cloud(password_expires_days=30)
    user, never = make(client, "user", password="p")["id"], make(client, "user")["id"]
    exact = clock.iso_micro(NOW // SECOND * SECOND + 30 * DAY)
    group = make(client, "group")["id"]
    client.put(f"/v3/groups/{group}/users/{user}")

    def ids(query: str) -> list[str]:
        return [each["id"] for each in client.get(f"/v3/users?{query}").json()["users"]]

    for condition in (
        f"eq:{exact}",
        exact,
        f"lte:{exact}",
        f"gte:{exact}",
        "gt:2020-01-01T00:00:00Z",
        "neq:2020-01-01T00:00:00Z",
        "lt:2100-01-01",
    ):
        assert ids(f"password_expires_at={condition}") == [user], condition
    for condition in (f"neq:{exact}", f"lt:{exact}", f"gt:{exact}"):
        assert ids(f"password_expires_at={condition}") == []
    assert ids("password_expires_at=gt:2020-01-01T00:00:00Z&password_expires_at=lt:2021-01-01T00:00:00Z") == []
    assert sorted(ids("")) == sorted([user, never])
    found = client.get(f"/v3/groups/{group}/users?password_expires_at=lt:2100-01-01T00:00:00Z").json()["users"]
    assert [each["id"] for each in found] == [user]
    for bad in ("foo", "lt:foo", "foo:2020-01-01T00:00:00Z", "", "lt:"):
        assert client.get(f"/v3/users?password_expires_at={bad}").status == 400


def test_a_first_password_is_for_one_use(cloud: Cloud) -> None:
    client = cloud(change_password_upon_first_use="true")
    shown = make(client, "user", password="first")
    assert shown["password_expires_at"] == clock.iso_micro(NOW)[:-1]
    assert user_security.is_expired(users.show(client.identity, shown["id"]), NOW)
    assert change(client, shown["id"], "first", "own").status == 204
    assert client.get(f"/v3/users/{shown['id']}").json()["user"]["password_expires_at"] is None
    path = f"/v3/users/{shown['id']}"
    assert client.patch(path, {"user": {"password": "reset"}}).json()["user"]["password_expires_at"] is not None
    options = {"ignore_change_password_upon_first_use": True}
    assert make(client, "user", password="first", options=options)["password_expires_at"] is None


def test_former_passwords_are_not_used_again(cloud: Cloud) -> None:
    client = cloud(unique_last_password_count=2)
    user = make(client, "user", password="one")["id"]
    refused = change(client, user, "one", "one")
    assert (refused.status, _message(refused)) == (
        400,
        "The new password cannot be identical to a previous password. The total number which includes the new password "
        "must be unique is 2.",
    )
    assert change(client, user, "one", "two").status == 204
    assert change(client, user, "two", "one").status == change(client, user, "two", "two").status == 400
    assert change(client, user, "two", "three").status == 204
    assert change(client, user, "three", "two").status == 400
    assert change(client, user, "three", "one").status == 204
    client.patch(f"/v3/users/{user}", {"user": {"password": "one"}})  # an administrator may
    kept = sa.select(sa.func.count()).where(tables.password_history.c.user_id == user)
    with client.identity.db.read() as connection:
        assert connection.execute(kept).scalar() == 1  # what no rule asks for is not kept


def test_the_present_password_alone_may_be_what_is_not_used_again(cloud: Cloud) -> None:
    client = cloud(unique_last_password_count=1)
    user = make(client, "user", password="one")["id"]
    assert change(client, user, "one", "one").status == 400
    assert change(client, user, "one", "two").status == change(client, user, "two", "one").status == 204


def test_a_password_stays_for_a_while(cloud: Cloud) -> None:
    client = cloud(minimum_password_age=2)
    user = make(client, "user", password="one")["id"]
    assert change(client, user, "one", "two").status == 204  # it was an administrator's
    refused = change(client, user, "two", "three")
    assert refused.status == 400
    assert "it must be used for 2 day(s) before it can be changed" in _message(refused)
    at(client, NOW + 2 * DAY)
    assert change(client, user, "two", "three").status == 204


def test_a_locked_password_is_changed_by_administrators_only(cloud: Cloud) -> None:
    client = cloud()
    user = make(client, "user", password="one", options={"lock_password": True})["id"]
    refused = change(client, user, "one", "two")
    assert refused.status == 400
    assert "password policy disallowing password changes" in _message(refused)
    assert client.patch(f"/v3/users/{user}", {"user": {"password": "two"}}).status == 200


def test_too_many_wrong_passwords_lock_the_account_for_a_while(cloud: Cloud) -> None:
    client = cloud(lockout_failure_attempts=3, lockout_duration=60)
    user = make(client, "user", password="right")["id"]
    spared = make(client, "user", password="right", options={"ignore_lockout_failure_attempts": True})["id"]
    for _ in range(3):
        assert not knows(client, user, "wrong") and not knows(client, spared, "wrong")
    assert not knows(client, user, "right")
    assert knows(client, spared, "right")
    refused = change(client, user, "right", "new")
    assert (refused.status, _message(refused)) == (401, UNAUTHORIZED)
    at(client, NOW + 60 * SECOND - 1)
    assert not knows(client, user, "right")
    at(client, NOW + 60 * SECOND)
    assert knows(client, user, "right")
    assert not knows(client, user, "wrong")
    assert knows(client, user, "right")  # a success forgets the failures


def test_an_administrator_unlocks(cloud: Cloud) -> None:
    client = cloud(lockout_failure_attempts=1)
    user = make(client, "user", password="right")["id"]
    assert not knows(client, user, "wrong") and not knows(client, user, "right")
    client.patch(f"/v3/users/{user}", {"user": {"description": "x"}})
    assert not knows(client, user, "right")
    client.patch(f"/v3/users/{user}", {"user": {"enabled": True}})
    assert knows(client, user, "right")


def test_idle_accounts_are_disabled(cloud: Cloud) -> None:
    client = cloud(disable_user_account_days_inactive=10)
    idle, spared = make(client, "user", password="p")["id"], make(client, "user", password="p")["id"]
    client.patch(f"/v3/users/{spared}", {"user": {"options": {"ignore_user_inactivity": True}}})

    def enabled(user_id: str) -> bool:
        one = client.get(f"/v3/users/{user_id}").json()["user"]["enabled"]
        listed = {each["id"]: each["enabled"] for each in client.get("/v3/users").json()["users"]}
        assert listed[user_id] is one
        return bool(one)

    at(client, NOW + 9 * DAY)
    assert enabled(idle)
    assert knows(client, idle, "p")  # counts as activity
    at(client, NOW + 18 * DAY)
    assert enabled(idle)
    at(client, NOW + 19 * DAY)
    assert not enabled(idle) and enabled(spared)
    assert change(client, idle, "p", "q").status == 401
    client.patch(f"/v3/users/{idle}", {"user": {"enabled": True}})
    assert enabled(idle)
    assert change(client, idle, "p", "q").status == 204


def test_unknown_names_in_options_files_do_not_matter(cloud: Cloud) -> None:
    client = cloud(report_invalid_password_hash="event", unknown_option=hex_id())
    assert make(client, "user", password="p")["enabled"] is True
