"""Key repositories, and the tokens that are sealed with them."""

from __future__ import annotations

import base64
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cumulet.identity.tokens import jws, keys
from cumulet.identity.tokens.fernet import FernetProvider
from cumulet.identity.tokens.jws import JwsProvider
from cumulet.identity.tokens.payload import (
    MalformedPayload,
    Payload,
    Receipt,
    pack,
    pack_receipt,
    unpack,
    unpack_receipt,
)
from cumulet.kernel.ids import hex_id

AUDIT = base64.urlsafe_b64encode(bytes(range(16)))[:22].decode()
OTHER_AUDIT = base64.urlsafe_b64encode(bytes(range(16, 32)))[:22].decode()


def token(**fields: object) -> Payload:
    values = {
        "user_id": hex_id(),
        "methods": ("password", "token"),
        "issued_at": 1_800_000_000_123_456,
        "expires_at": 1_800_003_600_000_000,
        "audit_id": AUDIT,
    }
    return Payload(**{**values, **fields})  # type: ignore[arg-type]


def names(repository: Path) -> set[str]:
    return {file.name for file in repository.iterdir()}


def test_setup_makes_a_staged_and_a_primary_key_for_their_owner_alone(tmp_path: Path) -> None:
    repository = tmp_path / "keys"
    assert keys.setup(repository)
    assert names(repository) == {"0", "1"}
    assert repository.stat().st_mode & 0o777 == 0o700
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in repository.iterdir())
    first = keys.load(repository)
    assert not keys.setup(repository)
    assert keys.load(repository) == first


def test_rotating_makes_the_staged_key_the_primary_and_drops_the_oldest(tmp_path: Path) -> None:
    keys.setup(tmp_path)
    staged = (tmp_path / "0").read_bytes()
    assert keys.rotate(tmp_path, 3) == 2
    assert (tmp_path / "2").read_bytes() == staged
    assert keys.load(tmp_path)[0] == staged
    assert names(tmp_path) == {"0", "1", "2"}
    keys.rotate(tmp_path, 3)
    assert names(tmp_path) == {"0", "2", "3"}
    keys.rotate(tmp_path, 5)
    assert names(tmp_path) == {"0", "2", "3", "4"}
    keys.rotate(tmp_path, 1)
    assert names(tmp_path) == {"0", "5"}
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in tmp_path.iterdir())


def test_a_repository_without_keys_is_named(tmp_path: Path) -> None:
    for repository in (tmp_path, tmp_path / "missing"):
        with pytest.raises(keys.NoKeys, match=str(repository)):
            keys.load(repository)
        with pytest.raises(keys.NoKeys, match=str(repository)):
            keys.rotate(repository)


def test_services_that_start_together_make_one_set_of_keys(tmp_path: Path) -> None:
    repository = tmp_path / "keys"
    made: list[bool] = []
    threads = [threading.Thread(target=lambda: made.append(keys.setup(repository))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False] * 7 + [True]


def test_tokens_outlive_rotations_until_their_key_is_dropped(tmp_path: Path) -> None:
    keys.setup(tmp_path)
    provider = FernetProvider(tmp_path)
    wanted = token()
    sealed = provider.seal(wanted)
    for _ in range(2):
        keys.rotate(tmp_path, 4)
        assert FernetProvider(tmp_path).open(sealed) == wanted
    keys.rotate(tmp_path, 2)
    assert FernetProvider(tmp_path).open(sealed) is None


def test_a_running_process_takes_up_new_keys_at_once_when_it_meets_them(tmp_path: Path) -> None:
    keys.setup(tmp_path)
    running = FernetProvider(tmp_path)
    assert running.open(running.seal(token())) is not None
    for _ in range(3):
        keys.rotate(tmp_path)
    # By now this process knows none of the keys there are.
    wanted = token()
    assert running.open(FernetProvider(tmp_path).seal(wanted)) == wanted


def test_a_running_process_seals_with_a_new_primary_within_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.setup(tmp_path)
    running = FernetProvider(tmp_path)
    running.seal(token())
    keys.rotate(tmp_path)
    monkeypatch.setattr(keys, "_CHECK_SECONDS", 0.0)
    running._keys.refresh()
    only = tmp_path / "only"
    only.mkdir()
    (only / "1").write_bytes((tmp_path / "2").read_bytes())
    assert FernetProvider(only).open(running.seal(token())) is not None


IDS = st.one_of(st.builds(hex_id), st.just("default"), st.text("abcdef0123456789-_", min_size=1, max_size=64))


@given(
    user_id=IDS,
    project_id=st.none() | IDS,
    domain_id=st.none() | IDS,
    trust_id=st.none() | IDS,
    application_credential_id=st.none() | IDS,
    parent_audit_id=st.sampled_from([None, OTHER_AUDIT]),
    system=st.booleans(),
    methods=st.lists(st.sampled_from(["password", "token", "totp", "application_credential"]), unique=True),
)
def test_a_payload_comes_back_as_it_was(**fields: object) -> None:
    wanted = token(**{**fields, "methods": tuple(fields["methods"])})  # type: ignore[arg-type]
    again = unpack(pack(wanted))
    assert set(again.methods) == set(wanted.methods)
    for name in Payload.__struct_fields__:
        if name != "methods":
            assert getattr(again, name) == getattr(wanted, name)


@given(st.binary(max_size=120))
def test_other_bytes_are_no_payload(data: bytes) -> None:
    for read in (unpack, unpack_receipt):
        try:
            read(data)
        except (MalformedPayload, UnicodeDecodeError):
            continue


def test_the_longest_token_has_255_characters_at_most(tmp_path: Path) -> None:
    keys.setup(tmp_path)
    provider = FernetProvider(tmp_path)
    longest = token(parent_audit_id=OTHER_AUDIT, project_id=hex_id(), trust_id=hex_id())
    assert len(provider.seal(longest)) <= 255


def test_a_receipt_is_no_token_and_a_token_no_receipt(tmp_path: Path) -> None:
    keys.setup(tmp_path)
    provider = FernetProvider(tmp_path)
    receipt = Receipt(user_id=hex_id(), methods=("password",), issued_at=1, expires_at=2)
    assert unpack_receipt(pack_receipt(receipt)) == receipt
    assert provider.open(provider.seal_receipt(receipt)) is None
    assert provider.open_receipt(provider.seal(token())) is None
    assert provider.open_receipt(provider.seal_receipt(receipt)) == receipt


def test_no_other_spelling_of_a_token_is_one(tmp_path: Path) -> None:
    keys.setup(tmp_path)
    provider = FernetProvider(tmp_path)
    sealed = provider.seal(token(project_id=hex_id()))
    assert provider.open(sealed) is not None
    for position in range(len(sealed)):
        for other in "A_":
            if other != sealed[position]:
                assert provider.open(sealed[:position] + other + sealed[position + 1 :]) is None
    for forged in (
        "",
        "x",
        sealed + "=",
        sealed + "A",
        sealed[:-1],
        " " + sealed,
        sealed + "\n",
        "é" * 200,
        "A" * 5000,
    ):
        assert provider.open(forged) is None


@pytest.mark.parametrize("algorithm", jws.ALGORITHMS)
def test_jws_tokens_are_signed_and_nothing_else_is_accepted(tmp_path: Path, algorithm: str) -> None:
    private, public = tmp_path / "private", tmp_path / "public"
    assert jws.setup(private, public, algorithm)
    assert not jws.setup(private, public, algorithm)
    assert (private / "private.pem").stat().st_mode & 0o777 == 0o600
    provider = JwsProvider(private, public, algorithm=algorithm, accepted=[algorithm])
    wanted = token(project_id=hex_id(), parent_audit_id=OTHER_AUDIT)
    signed = provider.seal(wanted)
    assert provider.open(signed) == wanted
    head, claims, signature = signed.split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    for forged in (
        f"{unsigned}.{claims}.",
        f"{head}.{claims}.{signature[:-4]}AAAA",
        f"{head}.{claims[:-2]}.{signature}",
        "a.b.c",
        "",
    ):
        assert provider.open(forged) is None
    # A key of another kind, or the public key as a shared secret, is none of ours.
    other = tmp_path / "other"
    jws.setup(other / "private", other / "public", algorithm)
    assert (
        JwsProvider(other / "private", other / "public", algorithm=algorithm, accepted=[algorithm]).open(signed) is None
    )


def test_jws_keys_that_are_added_count_without_a_restart(tmp_path: Path) -> None:
    private, public = tmp_path / "private", tmp_path / "public"
    jws.setup(private, public)
    running = JwsProvider(private, public)
    assert running.open(running.seal(token())) is not None
    other = tmp_path / "other"
    jws.setup(other / "private", other / "public")
    os.rename(other / "public" / "public.pem", public / "second.pem")
    wanted = token()
    assert running.open(JwsProvider(other / "private", public).seal(wanted)) == wanted
