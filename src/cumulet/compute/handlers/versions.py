"""`/` and `/v2.1` (Compute API, API versions)."""

from __future__ import annotations

from typing import Any

from cumulet.compute import views
from cumulet.compute.service import Compute
from cumulet.kernel.http import Call, Reply
from cumulet.kernel.microversions import Microversions, text

_OLD = {"id": "v2.0", "status": "DEPRECATED", "version": "", "min_version": "", "updated": "2011-01-21T11:33:21Z"}
_DOCS = {"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"}


class Versions:
    """The version documents of a range of microversions."""

    def __init__(self, versions: Microversions) -> None:
        self._current = {
            "id": "v2.1",
            "status": "CURRENT",
            "version": text(versions.maximum),
            "min_version": text(versions.minimum),
            "updated": "2013-07-23T11:33:21Z",
        }

    def index(self, call: Call[Compute]) -> Reply:
        return Reply({"versions": [self._with_self(call, _OLD, "v2"), self._with_self(call, self._current, "v2.1")]})

    def show(self, call: Call[Compute]) -> Reply:
        version = self._with_self(call, self._current, "v2.1")
        version["links"].append(_DOCS)
        version["media-types"] = [
            {"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}
        ]
        return Reply({"version": version})

    def show_old(self, call: Call[Compute]) -> Reply:
        version = self._with_self(call, _OLD, "v2")
        version["links"].append(_DOCS)
        version["media-types"] = [
            {"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2"}
        ]
        return Reply({"version": version})

    @staticmethod
    def _with_self(call: Call[Compute], version: dict[str, Any], path: str) -> dict[str, Any]:
        return {**version, "links": [{"rel": "self", "href": f"{views.base_url(call)}/{path}/"}]}
