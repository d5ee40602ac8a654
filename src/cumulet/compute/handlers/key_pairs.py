"""`/v2.1/os-keypairs` (Compute API, Keypairs)."""

from __future__ import annotations

from typing import Any, cast

from msgspec import UNSET
from sqlalchemy.engine import Row

from cumulet.compute import views
from cumulet.compute.bodies import read
from cumulet.compute.domain import key_pairs
from cumulet.compute.schemas.key_pairs import ImportedBody, KeyPairFields, OldBody, OwnedBody, TypedBody
from cumulet.compute.service import Compute
from cumulet.kernel import clock
from cumulet.kernel.http import Call, Reply


def _owner(call: Call[Compute], asked: str | None) -> str:
    """Whose key pairs are meant: the caller's, or with 2.10 another user's for administrators."""
    user_id = asked if asked and call.version >= (2, 10) else call.ctx.user_id
    return cast(str, user_id)


def _may(call: Call[Compute], verb: str, user_id: str) -> None:
    call.service.policy.can(call.ctx, f"os_compute_api:os-keypairs:{verb}", {"user_id": user_id})


def _brief(call: Call[Compute], row: Row[Any]) -> dict[str, Any]:
    shown = {"name": row.name, "public_key": row.public_key, "fingerprint": row.fingerprint}
    if call.version >= (2, 2):
        shown["type"] = row.type
    return shown


def _asked_owner(call: Call[Compute], *others: str) -> str:
    """Whose key pairs the query means; `others` are the keys that it may have besides."""
    views.require_known(call, ("user_id", *others))
    return _owner(call, views.last(call.query(), "user_id"))


def index(call: Call[Compute]) -> Reply:
    user_id = _asked_owner(call, "limit", "marker")
    _may(call, "index", user_id)
    limit, marker = views.page(call) if call.version >= (2, 35) else (10**9, None)
    with call.service.db.read() as connection:
        rows = key_pairs.find(connection, user_id, limit, marker)
    body: dict[str, Any] = {"keypairs": [{"keypair": _brief(call, row)} for row in rows[:limit]]}
    if len(rows) > limit and limit:
        body["keypairs_links"] = views.next_links(call, "os-keypairs", rows[limit - 1].name)
    return Reply(body)


def show(call: Call[Compute], name: str) -> Reply:
    user_id = _asked_owner(call)
    _may(call, "show", user_id)
    with call.service.db.read() as connection:
        row = key_pairs.load(connection, user_id, name)
    shown = _brief(call, row) | {
        "user_id": row.user_id,
        "id": row.id,
        "created_at": clock.iso_micro(row.created_at).rstrip("Z"),
        "deleted": False,
        "deleted_at": None,
        "updated_at": None,
    }
    return Reply({"keypair": shown})


def create(call: Call[Compute]) -> Reply:
    given = _read(call)
    user_id = _owner(call, getattr(given, "user_id", None) or None)
    _may(call, "create", user_id)
    public_key = None if given.public_key is UNSET else given.public_key
    row, private_key = key_pairs.create(call.service, user_id, given.name, getattr(given, "type", "ssh"), public_key)
    shown = _brief(call, row) | {"user_id": user_id}
    if private_key is not None:
        shown["private_key"] = private_key
    return Reply({"keypair": shown}, 201 if call.version >= (2, 2) else 200)


def _read(call: Call[Compute]) -> KeyPairFields:
    if call.version >= (2, 92):
        return read(call, ImportedBody).keypair
    if call.version >= (2, 10):
        return read(call, OwnedBody).keypair
    return read(call, TypedBody).keypair if call.version >= (2, 2) else read(call, OldBody).keypair


def delete(call: Call[Compute], name: str) -> Reply:
    user_id = _asked_owner(call)
    _may(call, "delete", user_id)
    key_pairs.delete(call.service, user_id, name)
    return Reply(status=204 if call.version >= (2, 2) else 202)
