"""What the engine runs for Network."""

from __future__ import annotations

from cumulet.kernel.jobs import JobRegistry
from cumulet.network.jobs import hosts, notices


def registry() -> JobRegistry:
    found = JobRegistry()
    notices.register(found)
    hosts.register(found)
    return found
