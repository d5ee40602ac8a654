"""The microversions Volume has (Block Storage API, REST API version history)."""

from __future__ import annotations

from typing import Final

from cumulet.kernel.microversions import Microversions

VERSIONS: Final = Microversions(("volume", "block-storage", "volumev3", "cinder"), (3, 0), (3, 71))
