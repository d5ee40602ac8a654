"""What the engine runs for Image, one module a noun."""

from __future__ import annotations

from cumulet.image.jobs import cache, data, imports, locations, upkeep
from cumulet.kernel.jobs import JobRegistry


def registry() -> JobRegistry:
    made = JobRegistry()
    for module in (data, imports, locations, cache, upkeep):
        module.register(made)
    return made
