"""How Volume's answers look: times, self and bookmark links."""

from __future__ import annotations

from functools import lru_cache

from cumulet.kernel import clock
from cumulet.kernel.http import Call
from cumulet.volume.paths import path_project
from cumulet.volume.service import Volume

_SECOND_US = 1_000_000


def base_url(call: Call[Volume]) -> str:
    return str(call.service.conf.public_endpoint or call.base_url).rstrip("/")


def path_prefix(call: Call[Volume]) -> str:
    """`/<project>` where the client wrote the project's id into the path."""
    project = path_project(call.req)
    return f"/{project}" if project else ""


def links(call: Call[Volume], path: str) -> list[dict[str, str]]:
    """`self` under the API's version, `bookmark` without it; `path` starts with the noun."""
    base, project = base_url(call), path_prefix(call)
    return [
        {"rel": "self", "href": f"{base}/v3{project}/{path}"},
        {"rel": "bookmark", "href": f"{base}{project}/{path}"},
    ]


def time(at: int | None) -> str | None:
    """`2026-01-31T12:00:00.000000`: whole seconds, as the original's databases keep them."""
    return None if at is None else _second(at // _SECOND_US)


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return clock.iso_micro(seconds * _SECOND_US).rstrip("Z")
