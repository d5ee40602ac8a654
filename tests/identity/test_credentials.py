"""Credentials: secrets of users, encrypted at rest, seen by their owner alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from cumulet.identity import tables
from cumulet.identity.domain import credentials, users
from cumulet.identity.tokens import keys
from cumulet.kernel.client import Response
from tests.identity.login import Cloud

PATH = "/v3/credentials"


@pytest.fixture(scope="module")
def cloud(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    made = Cloud(module_database_url, tmp_path_factory.mktemp("state"))
    yield made
    made.identity.db.close()


@pytest.fixture
def owner(cloud: Cloud) -> tuple[users.User, str, str]:
    """A member of a project, the project, and a token for it."""
    user, project = cloud.member()
    return user, project, cloud.token(user.name, project_id=project)


def post(cloud: Cloud, token: str, **fields: Any) -> Response:
    return cloud.client.post(PATH, {"credential": fields}, token=token)


def create(cloud: Cloud, token: str, **fields: Any) -> dict[str, Any]:
    answer = post(cloud, token, **fields)
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.json()["credential"]
    return made


def test_one_is_made_shown_changed_listed_and_deleted(cloud: Cloud, owner: tuple[users.User, str, str]) -> None:
    user, _, token = owner
    made = create(cloud, token, user_id=user.id, type="cert", blob="a secret", colour="blue")
    assert (made["blob"], made["colour"], made["project_id"]) == ("a secret", "blue", None)
    one = f"{PATH}/{made['id']}"
    for reader in (token, cloud.admin_token):
        assert cloud.client.get(one, token=reader).json()["credential"] == made
    assert cloud.client.get(PATH, token=token).json()["credentials"] == [made]
    assert cloud.client.get(f"{PATH}?type=cert", token=token).json()["credentials"] == [made]
    assert cloud.client.get(f"{PATH}?type=ec2", token=token).json()["credentials"] == []
    changed = cloud.client.patch(one, {"credential": {"blob": "another"}}, token=token)
    assert changed.json()["credential"] == {**made, "blob": "another"}
    assert cloud.client.get(one, token=token).json()["credential"]["blob"] == "another"
    assert cloud.client.delete(one, token=token).status == 204
    assert cloud.client.get(one, token=cloud.admin_token).status == 404


def test_nobody_elses_are_listed_shown_or_changed(cloud: Cloud, owner: tuple[users.User, str, str]) -> None:
    user, _, token = owner
    made = create(cloud, token, user_id=user.id, type="cert", blob="a secret")
    stranger, _ = cloud.member()
    other = cloud.token(stranger.name)
    for query in ("", f"?user_id={user.id}", "?type=cert", "?user_id="):
        assert cloud.client.get(PATH + query, token=other).json()["credentials"] == []
    one = f"{PATH}/{made['id']}"
    assert cloud.client.get(one, token=other).status == 403
    assert cloud.client.get(f"{PATH}/nothing", token=other).status == 403
    assert cloud.client.patch(one, {"credential": {"blob": "x"}}, token=other).status == 403
    assert cloud.client.delete(one, token=other).status == 403
    assert post(cloud, other, user_id=user.id, type="cert", blob="x").status == 403
    everybody = cloud.client.get(PATH, token=cloud.admin_token).json()["credentials"]
    assert made in everybody
    assert cloud.client.get(f"{PATH}?user_id={user.id}", token=cloud.admin_token).json()["credentials"] == [made]


def test_the_blob_is_encrypted_at_rest(cloud: Cloud, owner: tuple[users.User, str, str]) -> None:
    user, _, token = owner
    made = create(cloud, token, user_id=user.id, type="cert", blob="a very plain secret")
    with cloud.identity.db.read() as connection:
        query = sa.select(tables.credentials).where(tables.credentials.c.id == made["id"])
        row = connection.execute(query).one()
    assert "plain" not in str(row)
    assert row.key_hash == cloud.identity.tokens.vault.primary


REFUSALS = [
    ({"type": "cert"}, "blob"),
    ({"blob": "x"}, "type"),
    ({"type": 1, "blob": "x"}, "credential.type"),
    ({"type": "cert", "blob": {}}, "credential.blob"),
    ({"type": "cert", "blob": "x", "project_id": 1}, "credential.project_id"),
    ({"type": "ec2", "blob": "{}"}, "project_id"),
    ({"type": "ec2", "blob": "x", "project_id": "p"}, "Invalid blob in credential"),
    ({"type": "ec2", "blob": "{}", "project_id": "p"}, "Expecting to find blob"),
    ({"type": "ec2", "blob": "[1]", "project_id": "p"}, "Expecting to find blob"),
    ({"type": "ec2", "blob": '{"secret": "x"}', "project_id": "p"}, "Expecting to find access"),
    ({"type": "EC2", "blob": '{"access": 1}', "project_id": "p"}, "Expecting to find access"),
]


@pytest.mark.parametrize(("fields", "message"), REFUSALS)
def test_what_is_none_is_refused(
    cloud: Cloud, owner: tuple[users.User, str, str], fields: dict[str, Any], message: str
) -> None:
    answer = post(cloud, owner[2], **{"user_id": owner[0].id, **fields})
    assert answer.status == 400
    assert message in answer.json()["error"]["message"]


def test_only_the_blob_changes(cloud: Cloud, owner: tuple[users.User, str, str]) -> None:
    user, project, token = owner
    made = create(cloud, token, user_id=user.id, type="cert", blob="x")
    for change in (
        {"type": "ec2"},
        {"blob": "y", "user_id": "admin"},
        {"blob": "y", "project_id": project},
        {},
        {"blob": 1},
    ):
        assert cloud.client.patch(f"{PATH}/{made['id']}", {"credential": change}, token=token).status == 400
    assert cloud.client.get(f"{PATH}/{made['id']}", token=token).json()["credential"] == made


def test_an_ec2_credential_is_known_by_its_access_key(cloud: Cloud, owner: tuple[users.User, str, str]) -> None:
    user, project, token = owner
    blob = {"access": f"key-{user.id}", "secret": "s", "trust_id": "t"}
    fields = {"user_id": user.id, "type": "ec2", "project_id": project}
    made = create(cloud, token, **fields, blob=json.dumps(blob))
    assert made["id"] == hashlib.sha256(blob["access"].encode()).hexdigest()
    assert post(cloud, token, **fields, blob=json.dumps(blob)).status == 409
    one = f"{PATH}/{made['id']}"
    for name in ("trust_id", "app_cred_id", "access_token_id"):
        change = {"credential": {"blob": json.dumps({**blob, name: "other"})}}
        answer = cloud.client.patch(one, change, token=token)
        assert answer.status == 400
        assert f"{name} can not be updated" in answer.json()["error"]["message"]
    change = {"credential": {"blob": json.dumps({**blob, "secret": "new"})}}
    assert cloud.client.patch(one, change, token=token).status == 200


def test_a_limit_holds(database_url: str, tmp_path: Any) -> None:
    cloud = Cloud(database_url, tmp_path, "[credential]\nuser_limit = 1\n")
    user = cloud.user()
    token = cloud.token(user.name)
    create(cloud, token, user_id=user.id, type="cert", blob="x")
    assert post(cloud, token, user_id=user.id, type="cert", blob="y").status == 403
    cloud.identity.db.close()


def test_keys_are_rotated_after_everything_is_encrypted_anew(database_url: str, tmp_path: Any) -> None:
    cloud = Cloud(database_url, tmp_path)
    identity = cloud.identity
    user = cloud.user()
    token = cloud.token(user.name)
    made = create(cloud, token, user_id=user.id, type="cert", blob="kept")
    for _ in range(4):
        credentials.rotate_keys(identity)
        identity.tokens.vault._keys.refresh()
        with pytest.raises(credentials.NotMigrated):
            credentials.rotate_keys(identity)
        assert credentials.migrate(identity) == 1
        assert credentials.migrate(identity) == 0
        assert cloud.client.get(f"{PATH}/{made['id']}", token=token).json()["credential"]["blob"] == "kept"
    repository = identity.env.paths.keys / "credential-keys"
    assert len(keys.load(repository)) == 3
    identity.db.close()
