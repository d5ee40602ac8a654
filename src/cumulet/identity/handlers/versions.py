"""The version documents: `/`, `/v3`, and `/v2.0` for those who still find it in a catalog."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from cumulet.identity.service import Identity
from cumulet.kernel.http import Call, Reply

VERSION, UPDATED = "v3.14", "2020-04-07T00:00:00Z"


def _v3(base: str) -> dict[str, Any]:
    return {
        "id": VERSION,
        "status": "stable",
        "updated": UPDATED,
        "links": [{"rel": "self", "href": f"{base}/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


@lru_cache(maxsize=64)
def _all(base: str) -> bytes:
    return msgspec.json.encode({"versions": {"values": [_v3(base)]}})


@lru_cache(maxsize=64)
def _one(base: str) -> bytes:
    return msgspec.json.encode({"version": _v3(base)})


def _base(call: Call[Identity]) -> str:
    return (call.service.conf.public_endpoint or call.base_url).rstrip("/")


def index(call: Call[Identity]) -> Reply:
    base = _base(call)
    return Reply(_all(base), 300, {"Location": f"{base}/v3/"})


def show_v3(call: Call[Identity]) -> Reply:
    return Reply(_one(_base(call)))


def show_v2(call: Call[Identity], **_: str) -> Reply:
    """There is no v2.0: whatever is asked of it is told where v3 is."""
    return index(call)
