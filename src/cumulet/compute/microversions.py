"""The microversions Compute has (Compute API, REST API version history)."""

from __future__ import annotations

from typing import Final

from cumulet.kernel.microversions import Microversions

VERSIONS: Final = Microversions(("compute", "nova"), (2, 1), (2, 104), legacy_header="X-OpenStack-Nova-API-Version")
