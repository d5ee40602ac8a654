"""`/`: the one major version there is."""

from __future__ import annotations

from cumulet.kernel.http import Call, Reply
from cumulet.kernel.microversions import text
from cumulet.placement.http import answer
from cumulet.placement.service import Placement
from cumulet.placement.versions import VERSIONS

_VERSION = {
    "id": "v1.0",
    "max_version": text(VERSIONS.maximum),
    "min_version": text(VERSIONS.minimum),
    "status": "CURRENT",
    "links": [{"rel": "self", "href": ""}],  # relative: a proxy in front needs no telling
}


def show(call: Call[Placement]) -> Reply:
    return answer(call, {"versions": [_VERSION]})
