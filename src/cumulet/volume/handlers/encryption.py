"""`/types/{id}/encryption` (Block Storage API, Volume types), and `/volumes/{id}/encryption`."""

from __future__ import annotations

from typing import Any, Final

from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import Call, Reply
from cumulet.volume import views
from cumulet.volume.bodies import convert, inner
from cumulet.volume.domain import encryption
from cumulet.volume.handlers import volume_access
from cumulet.volume.handlers.volume_access import may
from cumulet.volume.schemas.encryption import ChangedEncryption, NewEncryption
from cumulet.volume.service import Volume

_RULE: Final = "volume_extension:volume_type_encryption"
_SHOWN: Final = (*encryption.FIELDS, "encryption_id")


def _checked_provider(provider: Any) -> str:
    if not isinstance(provider, str) or not provider.strip():
        raise BadRequest("Invalid input received: provider must be defined")
    return provider.strip()


def index(call: Call[Volume], type_id: str) -> Reply:
    may(call, f"{_RULE}:get")
    with call.service.db.read() as connection:
        found = encryption.of(connection, type_id)
    if found is None:
        return Reply({})
    shown = {"volume_type_id": type_id, **{key: found[key] for key in _SHOWN}}
    times = {key: views.time(found.get(key)) for key in ("created_at", "updated_at")}
    return Reply(shown | times | {"deleted_at": None, "deleted": False})


def show(call: Call[Volume], type_id: str, key: str) -> Reply:
    """One field, as the original shows it: `{"provider": "luks"}`."""
    may(call, f"{_RULE}:get")
    with call.service.db.read() as connection:
        found = encryption.of(connection, type_id)
    if found is None or key not in (*_SHOWN, "volume_type_id"):
        raise NotFound(f"Volume type encryption for type {type_id} does not exist.")
    return Reply({key: {"volume_type_id": type_id, **found}[key]})


def create(call: Call[Volume], type_id: str) -> Reply:
    may(call, f"{_RULE}:create")
    given = convert(inner(call.raw_json(), "encryption"), NewEncryption)
    values = {
        "provider": _checked_provider(given.provider),
        "control_location": given.control_location,
        "cipher": given.cipher,
        "key_size": given.key_size,
    }
    made = encryption.create(call.service, type_id, values)
    return Reply({"encryption": {"volume_type_id": type_id, **{key: made[key] for key in _SHOWN}}})


def update(call: Call[Volume], type_id: str, key: str) -> Reply:
    """A type has one encryption at most, so the id in the path does not matter, as in the original."""
    may(call, f"{_RULE}:update")
    fields = inner(call.raw_json(), "encryption")
    given = convert(fields, ChangedEncryption)
    changes = {name: getattr(given, name) for name in encryption.FIELDS if name in fields}
    if "provider" in changes:
        changes["provider"] = _checked_provider(changes["provider"])
    encryption.update(call.service, type_id, changes)
    return Reply({"encryption": fields})


def delete(call: Call[Volume], type_id: str, key: str) -> Reply:
    may(call, f"{_RULE}:delete")
    encryption.delete(call.service, type_id)
    return Reply(status=202)


def of_volume(call: Call[Volume], volume_id: str) -> Reply:
    """What a hypervisor needs to know of a volume's encryption."""
    return Reply(_of_volume(call, volume_id))


def of_volume_item(call: Call[Volume], volume_id: str, key: str) -> Reply:
    found = _of_volume(call, volume_id)
    return Reply({key: found.get(key)})


def _of_volume(call: Call[Volume], volume_id: str) -> dict[str, Any]:
    row = volume_access.checked(call, volume_id, "volume_extension:volume_encryption_metadata")
    if row.encryption_key_id is None:
        return {"encryption_key_id": None}
    with call.service.db.read() as connection:
        found = encryption.of(connection, row.volume_type_id) or {}
    return {
        "encryption_key_id": row.encryption_key_id,
        "control_location": found.get("control_location"),
        "cipher": found.get("cipher"),
        "key_size": found.get("key_size"),
        "provider": found.get("provider"),
    }
