"""What the engine does for Identity."""

from __future__ import annotations

from cumulet.identity.jobs import tokens
from cumulet.kernel.jobs import JobRegistry

_FLUSH_EVERY_S = 3600.0


def registry() -> JobRegistry:
    jobs = JobRegistry()
    jobs.periodic("flush-tokens", _FLUSH_EVERY_S, tokens.flush, first_after_s=_FLUSH_EVERY_S)
    return jobs
