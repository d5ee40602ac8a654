"""What the engine runs for Volume, one module a noun."""

from __future__ import annotations

from cumulet.kernel.jobs import JobRegistry
from cumulet.volume.jobs import (
    backups,
    groups,
    manageable,
    reconnect,
    snapshots,
    upkeep,
    volume_create,
    volume_delete,
    volume_extend,
    volume_images,
    volume_migrate,
    volume_revert,
    volume_swaps,
)

_MODULES = (
    volume_create,
    volume_delete,
    volume_extend,
    volume_images,
    volume_migrate,
    volume_revert,
    volume_swaps,
    snapshots,
    backups,
    groups,
    manageable,
    reconnect,
    upkeep,
)


def registry() -> JobRegistry:
    made = JobRegistry()
    for module in _MODULES:
        module.register(made)
    return made
