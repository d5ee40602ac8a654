"""The volume actions of operators: states by hand, deletion by force, migration."""

from __future__ import annotations

from typing import Any

from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import Call, Reply
from cumulet.volume.bodies import boolean, convert
from cumulet.volume.domain import volume_delete, volume_migrate, volume_states, volume_swaps
from cumulet.volume.handlers import volume_access
from cumulet.volume.schemas.actions import ExtendCompletion, Migrate, MigrateCompletion, ResetStatus
from cumulet.volume.service import Volume

_RULES = "volume_extension:volume_admin_actions"


def reset_status(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    wanted = convert(given, ResetStatus)
    if not (wanted.status or wanted.attach_status or wanted.migration_status):
        raise BadRequest("Must specify 'status', 'attach_status' or 'migration_status' for update.")
    volume_access.checked(call, volume_id, f"{_RULES}:reset_status")
    volume_states.reset(
        call.service,
        volume_id,
        status=(wanted.status or "").lower() or None,
        attach_status=(wanted.attach_status or "").lower() or None,
        migration_status=(wanted.migration_status or "").lower() or None,
    )
    return Reply(status=202)


def force_delete(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    volume_access.checked(call, volume_id, f"{_RULES}:force_delete")
    volume_delete.request(call.service, call.ctx, volume_id, force=True)
    return Reply(status=202)


def migrate(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    wanted = convert(given, Migrate)
    if wanted.cluster is not None and call.version >= (3, 16):
        raise BadRequest(f"Invalid host: No available cluster named {wanted.cluster}")
    if wanted.host is None:
        raise BadRequest("Invalid input for field/attribute host. It is required.")
    boolean(wanted.force_host_copy, "force_host_copy")
    lock_volume = boolean(wanted.lock_volume, "lock_volume")
    volume_access.checked(call, volume_id, f"{_RULES}:migrate_volume")
    volume_migrate.request(call.service, call.ctx, volume_id, wanted.host, lock_volume=lock_volume)
    return Reply(status=202)


def migrate_completion(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    """Compute has swapped one volume for another, for a move of ours or because an operator asked it to."""
    wanted = convert(given, MigrateCompletion)
    old = volume_access.checked(call, volume_id, f"{_RULES}:migrate_volume_completion")
    new = volume_access.checked(call, wanted.new_volume)
    failed = boolean(wanted.error, "error")
    if new.migration_status == volume_swaps.mark(old):
        kept = volume_swaps.complete(call.service, call.ctx, old.id, new.id, failed=failed)
    else:
        kept = volume_states.complete_swap(call.service, old.id, new.id, failed=failed)
    return Reply({"save_volume_id": kept})


def extend_completion(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    """From 3.71. Back ends here answer for a new size themselves, so nothing waits for Compute to say it."""
    if call.version < (3, 71):
        raise NotFound("The resource could not be found.")
    convert(given or {}, ExtendCompletion)
    row = volume_access.checked(call, volume_id, f"{_RULES}:extend_volume_completion")
    raise BadRequest(
        f"Invalid volume: Volume {volume_id} is not waiting for the end of an extension by Compute: it is {row.status}."
    )
