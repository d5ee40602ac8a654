"""`/`: the one major version there is."""

from __future__ import annotations

from cumulet.kernel.http import Call, Reply
from cumulet.placement.http import answer
from cumulet.placement.service import Placement

_VERSION = {
    "id": "v1.0",
    "max_version": "1.39",
    "min_version": "1.0",
    "status": "CURRENT",
    "links": [{"rel": "self", "href": ""}],  # relative: a proxy in front needs no telling
}


def show(call: Call[Placement]) -> Reply:
    return answer(call, {"versions": [_VERSION]})
