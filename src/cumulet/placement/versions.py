"""The microversions, negotiated in Placement's own words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cumulet.kernel.errors import BadRequest, NotAcceptable
from cumulet.kernel.microversions import Microversions, Version, text

_FORM = re.compile(r"(\d{1,9})\.(\d{1,9})")


@dataclass(frozen=True)
class PlacementMicroversions(Microversions):
    """Any two numbers are a version, which then is there or not: `0.5` is not acceptable, where other services call it
    malformed."""

    def negotiate(self, header: str | None, legacy: str | None = None) -> Version:
        wanted = self._named(header)
        if wanted is None:
            return self.minimum
        if wanted == "latest":
            return self.maximum
        match = _FORM.fullmatch(wanted)
        if match is None:
            raise BadRequest(f"Invalid microversion: invalid version string: {wanted}")
        version = (int(match[1]), int(match[2]))
        if not self.minimum <= version <= self.maximum:
            raise NotAcceptable(
                f"Invalid microversion: Unacceptable version header: {wanted}",
                details={"max_version": text(self.maximum), "min_version": text(self.minimum)},
            )
        return version


VERSIONS = PlacementMicroversions(service_types=("placement",), minimum=(1, 0), maximum=(1, 39))
