"""A resource provider as clients see it, with the links that its microversion has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

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


_encode = msgspec.json.Encoder().encode


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


def listing(call: Call[Placement], providers: Iterable[Shown]) -> bytes:
    """`{"resource_providers": [...]}` of the same views, written as text: most of each is the same for all of them."""
    placeholder = "{uuid}"
    url = href(call, path(placeholder))
    rels = [("self", url), *((rel, f"{url}/{rel}") for rel, since in _LINKS if call.version >= since)]
    links = _encode([{"rel": rel, "href": link} for rel, link in rels]).decode()
    nested = call.version >= _NESTED_SINCE
    written = []
    for shown in providers:
        tree = ""
        if nested:
            parent = "null" if shown.parent_uuid is None else f'"{shown.parent_uuid}"'
            tree = f',"parent_provider_uuid":{parent},"root_provider_uuid":"{shown.root_uuid}"'
        written.append(
            f'{{"uuid":"{shown.uuid}","name":{_encode(shown.name).decode()},"generation":{shown.generation},'
            f'"links":{links.replace(placeholder, shown.uuid)}{tree}}}'
        )
    return f'{{"resource_providers":[{",".join(written)}]}}'.encode()
