"""`/os-quota-sets`, `/os-quota-class-sets`, `/limits` (Block Storage API, Quotas and Limits)."""

from __future__ import annotations

from typing import Any

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply
from cumulet.volume.bodies import boolean, inner
from cumulet.volume.domain import quotas, usage
from cumulet.volume.service import Volume

_MAXIMUM = 2**31 - 1


def _may(call: Call[Volume], rule: str, project_id: str | None = None) -> None:
    call.service.policy.can(call.ctx, f"volume_extension:{rule}", {"project_id": project_id})


def show(call: Call[Volume], project_id: str) -> Reply:
    _may(call, "quotas:show", project_id)
    asked = (call.query().get("usage") or ["false"])[-1]
    with call.service.db.read() as connection:
        limits = quotas.limits(call.service, connection, project_id)
        used = usage.of(call.service, connection, project_id) if boolean(asked, "usage") else None
    shown: dict[str, Any] = dict(limits)
    if used is not None:
        shown = {key: {"limit": limit, "in_use": used.get(key, 0), "reserved": 0} for key, limit in limits.items()}
    return Reply({"quota_set": {**shown, "id": project_id}})


def defaults(call: Call[Volume], project_id: str) -> Reply:
    _may(call, "quotas:show", project_id)
    with call.service.db.read() as connection:
        limits = quotas.class_limits(call.service, connection)
    return Reply({"quota_set": {**limits, "id": project_id}})


def _changes(call: Call[Volume], name: str) -> dict[str, int]:
    fields = inner(call.raw_json(), name)
    if not fields and name == "quota_set":
        raise BadRequest(f"Invalid input for field/attribute {name}. Value: {{}}. It is empty.")
    with call.service.db.read() as connection:
        known = set(quotas.resources(connection))
    unknown = sorted(set(fields) - known - {"tenant_id", "project_id", "class_name", "force"})
    if unknown:
        raise BadRequest(f"Invalid input received: Bad key(s) in quota set: {', '.join(unknown)[:255]}")
    return {key: _limit(key, value) for key, value in fields.items() if key in known}


def _limit(key: str, value: Any) -> int:
    text = str(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or not text.lstrip("-").isdecimal():
        raise BadRequest(f"{key} must be an integer")
    if len(text) > 11 or not -1 <= int(text) <= _MAXIMUM:
        raise BadRequest(f"{key} must be >= -1 and <= {_MAXIMUM}")
    return int(text)


def update(call: Call[Volume], project_id: str) -> Reply:
    _may(call, "quotas:update", project_id)
    if not 1 <= len(project_id) <= 255:
        raise BadRequest("Invalid input for field/attribute project_id. It has 1 to 255 characters.")
    return Reply({"quota_set": quotas.set_limits(call.service, project_id, _changes(call, "quota_set"))})


def delete(call: Call[Volume], project_id: str) -> Reply:
    _may(call, "quotas:delete", project_id)
    quotas.forget(call.service, project_id)
    return Reply(status=200)


def show_class(call: Call[Volume], name: str) -> Reply:
    _may(call, "quota_classes:get")
    with call.service.db.read() as connection:
        limits = quotas.class_limits(call.service, connection, name)
    return Reply({"quota_class_set": {**limits, "id": name}})


def update_class(call: Call[Volume], name: str) -> Reply:
    _may(call, "quota_classes:update")
    if not 1 <= len(name) <= 255:
        raise BadRequest("The name of a quota class has 1 to 255 characters.")
    return Reply({"quota_class_set": quotas.set_class(call.service, name, _changes(call, "quota_class_set"))})


def limits(call: Call[Volume]) -> Reply:
    """`project_id` (3.39): another project's, for administrators."""
    project_id = call.ctx.project_id or ""
    asked = (call.query().get("project_id") or [None])[-1]  # type: ignore[list-item]
    if asked and call.version >= (3, 39) and call.service.is_admin(call.ctx):
        project_id = asked
    with call.service.db.read() as connection:
        allowed = quotas.limits(call.service, connection, project_id)
        absolute = {
            "maxTotalVolumes": allowed["volumes"],
            "maxTotalSnapshots": allowed["snapshots"],
            "maxTotalVolumeGigabytes": allowed["gigabytes"],
            "maxTotalBackups": allowed["backups"],
            "maxTotalBackupGigabytes": allowed["backup_gigabytes"],
        }
        if call.service.policy.allows(call.ctx, "limits_extension:used_limits", {"project_id": project_id}):
            used = usage.of(call.service, connection, project_id)
            absolute |= {
                "totalVolumesUsed": used.get("volumes", 0),
                "totalGigabytesUsed": used.get("gigabytes", 0),
                "totalSnapshotsUsed": used.get("snapshots", 0),
                "totalBackupsUsed": used.get("backups", 0),
                "totalBackupGigabytesUsed": used.get("backup_gigabytes", 0),
            }
    return Reply({"limits": {"rate": [], "absolute": absolute}})
