"""Microversion negotiation as the API SIG's guideline describes it and Nova, Cinder and Placement do it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cumulet.kernel.errors import BadRequest, NotAcceptable

Version = tuple[int, int]
_FORM = re.compile(r"^([1-9]\d*)\.([1-9]\d*|0)$")


def text(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


@dataclass(frozen=True)
class Microversions:
    """One service's range and the headers it listens to.

    `service_types` are the names accepted in `OpenStack-API-Version: <type> <version>`, the first one is echoed;
    `legacy_header` is a service's older header (`X-OpenStack-Nova-API-Version`).
    """

    service_types: tuple[str, ...]
    minimum: Version
    maximum: Version
    legacy_header: str | None = None
    default: Version | None = None
    error_code: str | None = None
    _known: Mapping[str, str] = field(default_factory=dict)

    def negotiate(self, header: str | None, legacy: str | None = None) -> Version:
        """The version to answer with. Raises BadRequest for a malformed one, NotAcceptable outside the range."""
        wanted = self._named(header) or (legacy.strip() if legacy else None)
        if wanted is None:
            return self.default or self.minimum
        if wanted == "latest":
            return self.maximum
        match = _FORM.match(wanted)
        if match is None:
            raise BadRequest(
                f"API Version String {wanted} is of invalid format. Must be of format MajorNum.MinorNum.",
                code=self.error_code,
            )
        version = (int(match[1]), int(match[2]))
        if not self.minimum <= version <= self.maximum:
            raise NotAcceptable(
                f"Version {wanted} is not supported by the API. Minimum is {text(self.minimum)} and maximum is "
                f"{text(self.maximum)}.",
                code=self.error_code,
                details={"max_version": text(self.maximum), "min_version": text(self.minimum)},
            )
        return version

    def _named(self, header: str | None) -> str | None:
        if not header:
            return None
        for part in header.split(","):
            words = part.split()
            if len(words) == 2 and words[0].lower() in self.service_types:
                return words[1].lower()
        return None

    def response_headers(self, version: Version) -> dict[str, str]:
        headers = {"OpenStack-API-Version": f"{self.service_types[0]} {text(version)}"}
        vary = "OpenStack-API-Version"
        if self.legacy_header:
            headers[self.legacy_header] = text(version)
            vary += f", {self.legacy_header}"
        headers["Vary"] = vary
        return headers
