"""What the engine runs for Volume, one module a noun."""

from __future__ import annotations

from cumulet.kernel.jobs import JobRegistry


def registry() -> JobRegistry:
    return JobRegistry()
