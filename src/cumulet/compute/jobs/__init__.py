"""What the engine runs for Compute, one module a noun."""

from __future__ import annotations

from cumulet.compute.jobs import actions, boot, delete
from cumulet.kernel.jobs import JobRegistry


def registry() -> JobRegistry:
    made = JobRegistry()
    for module in (boot, delete, actions):
        module.register(made)
    return made
