"""How passwords are kept and recognised."""

from __future__ import annotations

import time

import bcrypt
import pytest

from cumulet.identity.domain import passwords
from cumulet.identity.domain.passwords import Passwords, matches

LONG = "密码" * 30
MIGRATED = {
    # Made by Keystone 30's own hashers of the password "hello".
    "bcrypt": "$2b$04$.gSLi00xWwf61dp60Sn/FO64ElbSoHxRMU9ikXL04QeQE4P8WNHy2",
    "bcrypt_sha256": "$bcrypt-sha256$v=2,t=2b,r=4$V0YxgqJYVKXegzwzOMWv6e$o8GNMJQrMQGEy0vALWApXuELUMXazj6",
    "scrypt": "$scrypt$ln=16,r=8,p=1$NRDaXBucqZpUYVoKsrZjHQ$sKlUN12dW1jy6ghQB6dKZrgVYLatdXcA2RzP8ZK9voc",
    "pbkdf2_sha512": "$pbkdf2-sha512$1000$ZMfJ2S5miYkNnhfQZ7Q9Zw"
    "$qKbnTdrhFxi+p+ulKM2x+h+tvLaA1qLXGJXKB9LKDiDfLScMH+DSCKmBTqht4ABdNzOTA57K0oW4HI/RQmlzJQ",
}


def fast() -> Passwords:
    return Passwords(rounds=4)


def test_a_password_is_kept_as_bcrypt_and_recognised() -> None:
    stored = fast().hash("secret")
    assert stored.startswith("$2b$04$")
    assert bcrypt.checkpw(b"secret", stored.encode())
    assert fast().verify("user", stored, "secret")
    assert not fast().verify("user", stored, "Secret")


@pytest.mark.parametrize("password", [LONG, "x" * 72, "x" * 73, "nul\0byte"])
def test_a_password_that_bcrypt_would_cut_is_heeded_to_its_end(password: str) -> None:
    stored = fast().hash(password)
    assert stored.startswith("$bcrypt-sha256$v=2,t=2b,r=4$")
    assert len(stored) <= 255
    assert matches(stored, password)
    assert not matches(stored, password + "x")
    assert not matches(stored, password[:-1])


def test_longer_passwords_of_migrated_users_are_cut_as_the_original_did() -> None:
    stored = bcrypt.hashpw(b"y" * 72, bcrypt.gensalt(4)).decode()
    assert matches(stored, "y" * 100)
    assert not matches(stored, "y" * 71)


@pytest.mark.parametrize("name", MIGRATED)
def test_other_hashes_of_migrated_users_are_recognised(name: str) -> None:
    assert matches(MIGRATED[name], "hello")
    assert not matches(MIGRATED[name], "Hello")


@pytest.mark.parametrize(
    "stored", ["", "plain", "$2b$", "$scrypt$x$y$z", "$bcrypt-sha256$v=1$a$b", "$pbkdf2-sha512$x$y$z", "$é$"]
)
def test_what_is_no_hash_recognises_nothing(stored: str) -> None:
    assert not matches(stored, "hello")
    assert not fast().verify("user", stored, "hello")


def test_a_success_is_remembered_for_the_same_user_hash_and_password_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counting(stored: str, password: str) -> bool:
        asked.append(password)
        return matches(stored, password)

    monkeypatch.setattr(passwords, "matches", counting)
    memory, stored = fast(), fast().hash("secret")
    for _ in range(3):
        assert memory.verify("user", stored, "secret")
    assert asked == ["secret"]
    assert not memory.verify("user", stored, "wrong")
    assert not memory.verify("user", stored, "wrong")
    assert memory.verify("other", stored, "secret")
    assert memory.verify("user", fast().hash("secret"), "secret")
    assert len(asked) == 5


def test_a_memory_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, stored = Passwords(rounds=4, remember_s=0.05), fast().hash("secret")
    assert memory.verify("user", stored, "secret")
    time.sleep(0.06)
    monkeypatch.setattr(passwords, "matches", lambda stored, password: False)
    assert not memory.verify("user", stored, "secret")


def test_the_memory_holds_no_more_than_its_capacity() -> None:
    memory, stored = Passwords(rounds=4, capacity=3), fast().hash("secret")
    for number in range(6):
        assert memory.verify(f"user-{number}", stored, "secret")
    assert len(memory._known) == 3
    assert not any(b"secret" in key for key in memory._known)


def test_an_unknown_user_takes_as_long_as_a_wrong_password() -> None:
    people = Passwords(rounds=8)
    stored = people.hash("secret")

    def seconds(user_id: str, known: str | None) -> float:
        started = time.thread_time()
        for _ in range(5):
            assert not people.verify(user_id, known, "wrong")
        return time.thread_time() - started

    seconds("", None)
    unknown, wrong = seconds("", None), seconds("user", stored)
    assert 0.6 < unknown / wrong < 1.6
