"""How a simulated driver behaves: how long its methods take, and which of them fail."""

from __future__ import annotations

import random
from typing import Final

from msgspec import Struct, field

EVERY: Final = "*"


class Faults(Struct):
    """By method, `*` for those that are not named.

    `delays` in seconds, with as much as `spreads` more at random; `errors` are the sentence a call fails with, every
    call or the part of them in `shares` (0 to 1).
    """

    delays: dict[str, float] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    spreads: dict[str, float] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)

    def delay_s(self, method: str) -> float:
        """How long this call takes."""
        which = method if method in self.delays else EVERY
        spread = self.spreads.get(which, 0.0)
        return self.delays.get(which, 0.0) + (random.uniform(0.0, spread) if spread else 0.0)

    def check(self, method: str) -> None:
        """Raises RuntimeError when this call is to fail."""
        which = method if method in self.errors else EVERY
        reason = self.errors.get(which)
        if reason is not None and random.random() < self.shares.get(which, 1.0):
            raise RuntimeError(reason)
