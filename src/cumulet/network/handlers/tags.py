"""Tags of every noun that has them (Networking API v2.0, Standard attributes tag extension)."""

from __future__ import annotations

from collections.abc import Callable

from cumulet.kernel.http import NO_CONTENT, Call, Reply, Route
from cumulet.network.checks import Invalid, list_of, text
from cumulet.network.crud import Noun
from cumulet.network.domain import tags as domain
from cumulet.network.errors import invalid_input
from cumulet.network.service import Network

_TAG = text(255, minimum=1)
_TAGS = list_of(_TAG, unique=False)
_MAXIMUM = 50


class Tags:
    """The tag operations of one noun; changing tags asks the noun's own update rule."""

    def __init__(self, noun: Noun) -> None:
        self._noun = noun

    def index(self, call: Call[Network], **params: str) -> Reply:
        (parent_id,) = params.values()
        with call.service.db.read() as connection:
            return Reply({"tags": domain.of(self._noun.show_row(call, connection, parent_id))})

    def show(self, call: Call[Network], tag: str, **params: str) -> Reply:
        (parent_id,) = params.values()
        with call.service.db.read() as connection:
            domain.require(domain.of(self._noun.show_row(call, connection, parent_id)), tag)
        return NO_CONTENT

    def replace(self, call: Call[Network], **params: str) -> Reply:
        (parent_id,) = params.values()
        tags = sorted(set(self._read(call)))
        self._change(call, parent_id, lambda current: tags)
        return Reply({"tags": tags})

    def create(self, call: Call[Network], **params: str) -> Reply:
        (parent_id,) = params.values()
        more = self._read(call)
        self._change(call, parent_id, lambda current: sorted({*current, *more}))
        return Reply({"tags": more})

    def add(self, call: Call[Network], tag: str, **params: str) -> Reply:
        (parent_id,) = params.values()
        checked = self._checked(tag)
        self._change(call, parent_id, lambda current: sorted({*current, checked}))
        return Reply(b"null", 201)

    def remove(self, call: Call[Network], tag: str, **params: str) -> Reply:
        (parent_id,) = params.values()

        def without(current: list[str]) -> list[str]:
            domain.require(current, tag)
            return [one for one in current if one != tag]

        self._change(call, parent_id, without)
        return NO_CONTENT

    def clear(self, call: Call[Network], **params: str) -> Reply:
        (parent_id,) = params.values()
        self._change(call, parent_id, lambda current: [])
        return NO_CONTENT

    @staticmethod
    def _checked(tag: str) -> str:
        try:
            return str(_TAG(tag))
        except Invalid as invalid:
            raise invalid_input(str(invalid)) from None

    @staticmethod
    def _read(call: Call[Network]) -> list[str]:
        body = call.raw_json()
        if not isinstance(body, dict) or "tags" not in body:
            raise invalid_input("Invalid tags body")
        try:
            tags: list[str] = _TAGS(body["tags"])
        except Invalid as invalid:
            raise invalid_input(str(invalid)) from None
        return tags

    def _change(self, call: Call[Network], parent_id: str, change: Callable[[list[str]], list[str]]) -> list[str]:
        with call.service.write() as connection:
            row = self._noun.show_row(call, connection, parent_id, lock=True)
            self._noun.may(call, f"update_{self._noun.rule or self._noun.name}", row)
            tags = change(domain.of(row))
            if len(tags) > _MAXIMUM:
                raise invalid_input(f"The number of tags exceed the per-resource limit of {_MAXIMUM}")
            domain.store(call.service, connection, self._noun.source.table, row.id, tags)
        return tags


def tag_routes(path: str, noun: Noun) -> tuple[Route, ...]:
    """The tag operations below one noun's path."""
    tags, below = Tags(noun), f"{path}/{{{noun.name}_id}}/tags"
    return (
        Route("GET", below, tags.index),
        Route("POST", below, tags.create),
        Route("PUT", below, tags.replace),
        Route("DELETE", below, tags.clear),
        Route("GET", f"{below}/{{tag}}", tags.show),
        Route("PUT", f"{below}/{{tag}}", tags.add),
        Route("DELETE", f"{below}/{{tag}}", tags.remove),
    )
