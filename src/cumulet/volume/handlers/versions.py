"""`/` and `/v3` (Block Storage API, API versions)."""

from __future__ import annotations

from typing import Any, Final

from cumulet.kernel.http import Call, Reply
from cumulet.kernel.microversions import text
from cumulet.volume import views
from cumulet.volume.microversions import VERSIONS
from cumulet.volume.service import Volume

_CURRENT: Final = {
    "id": "v3.0",
    "status": "CURRENT",
    "version": text(VERSIONS.maximum),
    "min_version": text(VERSIONS.minimum),
    "updated": "2023-08-31T00:00:00Z",
}
_DOCS: Final = {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"}
_MEDIA: Final = [{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}]


def _versions(call: Call[Volume]) -> dict[str, Any]:
    own = {"rel": "self", "href": f"{views.base_url(call)}/v3/"}
    return {"versions": [{**_CURRENT, "links": [_DOCS, own], "media-types": _MEDIA}]}


def index(call: Call[Volume]) -> Reply:
    """300: a choice of versions, of which there is one."""
    return Reply(_versions(call), status=300)


def show(call: Call[Volume]) -> Reply:
    return Reply(_versions(call))
