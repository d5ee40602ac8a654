"""Version documents, the list of resources and the extensions (Networking API v2.0, API versions and Extensions)."""

from __future__ import annotations

from typing import Any

from cumulet.kernel.errors import NotFound
from cumulet.kernel.http import Call, Reply
from cumulet.network.extensions import EXTENSIONS, Extension
from cumulet.network.service import Network

_RESOURCES = (("network", "networks"), ("subnet", "subnets"), ("subnetpool", "subnetpools"), ("port", "ports"))


def versions(call: Call[Network]) -> Reply:
    link = {"rel": "self", "href": f"{call.base_url}/v2.0/"}
    return Reply({"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]})


def resources(call: Call[Network]) -> Reply:
    found = [
        {
            "name": name,
            "collection": plural,
            "links": [{"rel": "self", "href": f"{call.base_url}/v2.0/{plural}"}],
        }
        for name, plural in _RESOURCES
    ]
    return Reply({"resources": found})


def _view(extension: Extension) -> dict[str, Any]:
    return {**extension._asdict(), "links": []}


def extensions(call: Call[Network]) -> Reply:
    return Reply({"extensions": [_view(extension) for extension in EXTENSIONS.values()]})


def extension(call: Call[Network], alias: str) -> Reply:
    found = EXTENSIONS.get(alias)
    if found is None:
        raise NotFound(f"Extension with alias {alias} does not exist", code="ExtensionNotFound")
    return Reply({"extension": _view(found)})
