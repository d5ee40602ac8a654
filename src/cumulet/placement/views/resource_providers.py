"""A resource provider as clients see it, with the links that its microversion has."""

from __future__ import annotations

from typing import Any, Protocol

from cumulet.kernel.http import Call
from cumulet.placement.http import href
from cumulet.placement.service import Placement

_LINKS = (
    ("inventories", (1, 0)),
    ("usages", (1, 0)),
    ("aggregates", (1, 1)),
    ("traits", (1, 6)),
    ("allocations", (1, 11)),
)
_NESTED_SINCE = (1, 14)


class Shown(Protocol):
    """What is shown: a row of the table, or a provider of the snapshot."""

    @property
    def uuid(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def generation(self) -> int: ...
    @property
    def parent_uuid(self) -> str | None: ...
    @property
    def root_uuid(self) -> str: ...


def path(uuid: str) -> str:
    return f"/resource_providers/{uuid}"


def view(call: Call[Placement], provider: Any) -> dict[str, Any]:
    """`provider` is `Shown`; rows are not typed."""
    shown: Shown = provider
    url = href(call, path(shown.uuid))
    links = [{"rel": "self", "href": url}]
    links += [{"rel": rel, "href": f"{url}/{rel}"} for rel, since in _LINKS if call.version >= since]
    body: dict[str, Any] = {"uuid": shown.uuid, "name": shown.name, "generation": shown.generation, "links": links}
    if call.version >= _NESTED_SINCE:
        body["parent_provider_uuid"] = shown.parent_uuid
        body["root_provider_uuid"] = shown.root_uuid
    return body
