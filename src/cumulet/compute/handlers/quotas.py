"""`/v2.1/os-quota-sets`, `/v2.1/os-quota-class-sets`, `/v2.1/limits` (Compute API, Quotas and Limits)."""

from __future__ import annotations

from typing import Any, Final

from cumulet.compute import views
from cumulet.compute.bodies import unexpected
from cumulet.compute.domain import quotas
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply

_MAXIMUM = 2**31 - 1
_NETWORK: Final = (2, 35)  # the last microversions with Network's resources
_CLASS_NETWORK: Final = (2, 49)
_FILES = ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes")


def _may(call: Call[Compute], rule: str, project_id: str | None = None) -> None:
    call.service.policy.can(call.ctx, f"os_compute_api:{rule}", {"project_id": project_id})


def _shown(call: Call[Compute], limits: dict[str, Any], network_until: tuple[int, int] = _NETWORK) -> dict[str, Any]:
    """What a microversion shows: Network's resources up to 2.35, injected files up to 2.56."""
    hidden = set(_FILES) if call.version >= (2, 57) else set()
    if call.version > network_until:
        hidden |= set(quotas.NETWORK)
    return {key: value for key, value in limits.items() if key not in hidden}


def _user(call: Call[Compute]) -> str | None:
    views.require_known(call, ("user_id",))
    return views.last(call.query(), "user_id")


def show(call: Call[Compute], project_id: str) -> Reply:
    _may(call, "os-quota-sets:show", project_id)
    user_id = _user(call)
    call.service.projects.require(project_id)
    with call.service.db.read() as connection:
        limits = quotas.limits(call.service, connection, project_id, user_id)
    return Reply({"quota_set": {"id": project_id, **_shown(call, limits)}})


def detail(call: Call[Compute], project_id: str) -> Reply:
    _may(call, "os-quota-sets:detail", project_id)
    user_id = _user(call)
    call.service.projects.require(project_id)
    with call.service.db.read() as connection:
        limits = quotas.limits(call.service, connection, project_id, user_id)
        used = quotas.used(connection, project_id, user_id)
    each = {key: {"limit": limit, "in_use": used[key], "reserved": 0} for key, limit in limits.items()}
    return Reply({"quota_set": {"id": project_id, **_shown(call, each)}})


def defaults(call: Call[Compute], project_id: str) -> Reply:
    _may(call, "os-quota-sets:defaults", project_id)
    call.service.projects.require(project_id)
    with call.service.db.read() as connection:
        limits = quotas.class_limits(call.service, connection)
    return Reply({"quota_set": {"id": project_id, **_shown(call, limits)}})


def _changes(call: Call[Compute], name: str) -> tuple[dict[str, int], bool]:
    """The limits of a body."""
    body = call.raw_json()
    inner = body.get(name) if isinstance(body, dict) and set(body) == {name} else None
    if not isinstance(inner, dict):
        raise BadRequest(f"Invalid input for field/attribute {name}. It is an object of limits.")
    everything = dict.fromkeys((*quotas.OPTIONS, *quotas.NETWORK))
    network_until = _CLASS_NETWORK if name == "quota_class_set" else _NETWORK
    known = set(_shown(call, everything, network_until)) | {"force", "tenant_id"}
    unknown = sorted(set(inner) - known)
    if unknown:
        raise BadRequest(unexpected(*unknown))
    changes = {}
    for key, value in inner.items():
        if key in ("force", "tenant_id"):
            continue
        changes[key] = _limit(key, value)
    force = inner.get("force", False)
    if str(force).lower() not in ("true", "false", "1", "0"):
        raise BadRequest(f"Invalid input for field/attribute force. Value: {force}.")
    return changes, str(force).lower() in ("true", "1")


def _limit(key: str, value: Any) -> int:
    text = str(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or not text.lstrip("-").isdigit():
        raise BadRequest(f"Invalid input for field/attribute {key}. Value: {value}. It is not an integer.")
    if not -1 <= int(text) <= _MAXIMUM:
        raise BadRequest(f"Invalid input for field/attribute {key}. Value: {value}. It is not -1 to {_MAXIMUM}.")
    return int(text)


def update(call: Call[Compute], project_id: str) -> Reply:
    _may(call, "os-quota-sets:update", project_id)
    changes, force = _changes(call, "quota_set")
    call.service.projects.require(project_id)
    limits = quotas.set_limits(call.service, project_id, _user(call), changes, force=force)
    return Reply({"quota_set": _shown(call, limits)})


def delete(call: Call[Compute], project_id: str) -> Reply:
    _may(call, "os-quota-sets:delete", project_id)
    quotas.forget(call.service, project_id, _user(call))
    return Reply(status=202)


def show_class(call: Call[Compute], name: str) -> Reply:
    _may(call, "os-quota-class-sets:show")
    with call.service.db.read() as connection:
        limits = quotas.class_limits(call.service, connection, name)
    return Reply({"quota_class_set": {"id": name, **_class(call, limits)}})


def _class(call: Call[Compute], limits: dict[str, int]) -> dict[str, Any]:
    """Up to 2.49 with Network's resources, since then with server groups."""
    found = _shown(call, limits, _CLASS_NETWORK)
    if call.version < (2, 50):
        found = {key: value for key, value in found.items() if not key.startswith("server_group")}
    return found


def update_class(call: Call[Compute], name: str) -> Reply:
    _may(call, "os-quota-class-sets:update")
    if not 1 <= len(name) <= 255:
        raise BadRequest("The name of a quota class has 1 to 255 characters.")
    changes, _ = _changes(call, "quota_class_set")
    return Reply({"quota_class_set": _class(call, quotas.set_class(call.service, name, changes))})


def limits(call: Call[Compute]) -> Reply:
    views.require_known(call, ("tenant_id",))
    asked = views.last(call.query(), "tenant_id")
    project_id = asked or call.ctx.project_id or ""
    _may(call, "limits", call.ctx.project_id)
    if asked is not None:
        _may(call, "limits:other_project", project_id)
    with call.service.db.read() as connection:
        allowed = quotas.limits(call.service, connection, project_id)
        used = quotas.used(connection, project_id)
    absolute = {
        "maxTotalCores": allowed["cores"],
        "maxTotalInstances": allowed["instances"],
        "maxTotalRAMSize": allowed["ram"],
        "maxTotalKeypairs": allowed["key_pairs"],
        "maxServerMeta": allowed["metadata_items"],
        "maxServerGroups": allowed["server_groups"],
        "maxServerGroupMembers": allowed["server_group_members"],
        "totalCoresUsed": used["cores"],
        "totalInstancesUsed": used["instances"],
        "totalRAMUsed": used["ram"],
        "totalServerGroupsUsed": used["server_groups"],
    }
    if call.version < (2, 57):
        absolute |= {
            "maxPersonality": allowed["injected_files"],
            "maxPersonalitySize": allowed["injected_file_content_bytes"],
        }
    if call.version < (2, 39):
        absolute["maxImageMeta"] = allowed["metadata_items"]
    if call.version < (2, 36):
        absolute |= {
            "maxTotalFloatingIps": allowed["floating_ips"],
            "maxSecurityGroups": allowed["security_groups"],
            "maxSecurityGroupRules": allowed["security_group_rules"],
            "totalFloatingIpsUsed": 0,
            "totalSecurityGroupsUsed": 0,
        }
    return Reply({"limits": {"rate": [], "absolute": absolute}})
