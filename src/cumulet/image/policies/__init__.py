"""Image's access rules, one module a noun."""

from __future__ import annotations

from collections.abc import Iterator

from cumulet.image.policies import base, cache, images, members, metadefs, stores, tasks
from cumulet.kernel.policy import Rule


def rules() -> Iterator[Rule]:
    for module in (base, images, members, stores, tasks, cache, metadefs):
        yield from module.RULES
