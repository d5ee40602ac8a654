"""What the engine runs for Compute, one module a noun."""

from __future__ import annotations

from cumulet.compute.jobs import (
    actions,
    aggregate_images,
    assisted_snapshots,
    boot,
    delete,
    healing,
    interfaces,
    live,
    rebuild,
    reclaim,
    resize,
    shelve,
    snapshot,
    upkeep,
    volume_swaps,
    volumes,
)
from cumulet.kernel.jobs import JobRegistry


def registry() -> JobRegistry:
    made = JobRegistry()
    for module in (boot, delete, actions, rebuild, snapshot, shelve, resize, live):
        module.register(made)
    for module in (interfaces, volumes, volume_swaps, reclaim, healing, upkeep, aggregate_images, assisted_snapshots):
        module.register(made)
    return made
