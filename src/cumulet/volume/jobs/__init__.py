"""What the engine runs for Volume, one module a noun."""

from __future__ import annotations

from cumulet.kernel.jobs import JobRegistry
from cumulet.volume.jobs import snapshots, upkeep, volume_create, volume_delete


def registry() -> JobRegistry:
    made = JobRegistry()
    for module in (volume_create, volume_delete, snapshots, upkeep):
        module.register(made)
    return made
