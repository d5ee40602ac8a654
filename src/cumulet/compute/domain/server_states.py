"""What a server's state is called in the API, and in which states each operation is allowed."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.engine import Row

from cumulet.kernel.errors import Conflict

NO_POWER, RUNNING, PAUSED, SHUTDOWN, CRASHED, SUSPENDED = 0, 1, 3, 4, 6, 7
"""Power states by their published numbers (Compute API, OS-EXT-STS:power_state)."""

_STATUS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "active": (
        "ACTIVE",
        {
            "rebooting": "REBOOT",
            "reboot_pending": "REBOOT",
            "reboot_started": "REBOOT",
            "rebooting_hard": "HARD_REBOOT",
            "reboot_pending_hard": "HARD_REBOOT",
            "reboot_started_hard": "HARD_REBOOT",
            "updating_password": "PASSWORD",
            "rebuilding": "REBUILD",
            "rebuild_block_device_mapping": "REBUILD",
            "rebuild_spawning": "REBUILD",
            "migrating": "MIGRATING",
            "resize_prep": "RESIZE",
            "resize_migrating": "RESIZE",
            "resize_migrated": "RESIZE",
            "resize_finish": "RESIZE",
        },
    ),
    "building": ("BUILD", {}),
    "stopped": (
        "SHUTOFF",
        {
            "resize_prep": "RESIZE",
            "resize_migrating": "RESIZE",
            "resize_migrated": "RESIZE",
            "resize_finish": "RESIZE",
            "rebuilding": "REBUILD",
            "rebuild_block_device_mapping": "REBUILD",
            "rebuild_spawning": "REBUILD",
        },
    ),
    "resized": ("VERIFY_RESIZE", {"resize_reverting": "REVERT_RESIZE"}),
    "paused": ("PAUSED", {"migrating": "MIGRATING"}),
    "suspended": ("SUSPENDED", {}),
    "rescued": ("RESCUE", {}),
    "error": (
        "ERROR",
        {"rebuilding": "REBUILD", "rebuild_block_device_mapping": "REBUILD", "rebuild_spawning": "REBUILD"},
    ),
    "deleted": ("DELETED", {}),
    "soft-delete": ("SOFT_DELETED", {}),
    "shelved": ("SHELVED", {}),
    "shelved_offloaded": ("SHELVED_OFFLOADED", {}),
}


def status_of(vm_state: str, task_state: str | None) -> str:
    """The API's one word for both states: `ACTIVE`, `REBOOT`, …"""
    plain, by_task = _STATUS[vm_state]
    return by_task.get(task_state or "", plain)


def states_of(status: str) -> list[tuple[str, list[str] | None]]:
    """The (vm_state, task_states) that are shown as `status`; task_states None: any but those shown otherwise."""
    wanted = status.upper()
    found: list[tuple[str, list[str] | None]] = []
    for vm_state, (plain, by_task) in _STATUS.items():
        if plain == wanted:
            found.append((vm_state, None))
        tasks = [task for task, name in by_task.items() if name == wanted]
        if tasks:
            found.append((vm_state, tasks))
    return found


def tasks_shown_apart(vm_state: str) -> list[str]:
    """The task states in which a server of this vm_state has a status of its own."""
    return list(_STATUS[vm_state][1])


def require(row: Row[Any], verb: str, allowed: tuple[str, ...], *, idle: bool = True, what: str = "vm_state") -> None:
    """Raises Conflict unless the server is in an allowed vm_state and, for `idle`, nothing is being done to it."""
    if row.vm_state not in allowed:
        raise Conflict(f"Cannot '{verb}' instance {row.id} while it is in {what} {row.vm_state}")
    if idle and row.task_state is not None:
        raise Conflict(f"Cannot '{verb}' instance {row.id} while it is in task_state {row.task_state}")


def require_unlocked(row: Row[Any], *, admin: bool) -> None:
    """Raises Conflict for a locked server unless the caller is an administrator."""
    if row.locked and not admin:
        raise Conflict(f"Instance {row.id} is locked")
