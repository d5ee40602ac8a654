"""Tags of every noun that has them (Networking API v2.0, Standard attributes tag extension)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.errors import NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply, Route
from cumulet.network.checks import Invalid, list_of, text
from cumulet.network.crud import Noun
from cumulet.network.domain import base
from cumulet.network.errors import bad_request, forbidden
from cumulet.network.service import Network
from cumulet.network.tables import resource_tags

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
            return Reply({"tags": base.from_json(self._noun.load(call, connection, parent_id).tags)})

    def show(self, call: Call[Network], tag: str, **params: str) -> Reply:
        (parent_id,) = params.values()
        with call.service.db.read() as connection:
            self._require(base.from_json(self._noun.load(call, connection, parent_id).tags), tag)
        return NO_CONTENT

    def replace(self, call: Call[Network], **params: str) -> Reply:
        (parent_id,) = params.values()
        tags = sorted(set(self._read(call)))
        self._change(call, parent_id, lambda current: tags)
        return Reply({"tags": tags})

    def create(self, call: Call[Network], **params: str) -> Reply:
        (parent_id,) = params.values()
        more = self._read(call)
        after = self._change(call, parent_id, lambda current: sorted({*current, *more}))
        return Reply({"tags": after}, 201)

    def add(self, call: Call[Network], tag: str, **params: str) -> Reply:
        (parent_id,) = params.values()
        checked = self._checked(tag)
        self._change(call, parent_id, lambda current: sorted({*current, checked}))
        return Reply(b"null", 201)

    def remove(self, call: Call[Network], tag: str, **params: str) -> Reply:
        (parent_id,) = params.values()

        def without(current: list[str]) -> list[str]:
            self._require(current, tag)
            return [one for one in current if one != tag]

        self._change(call, parent_id, without)
        return NO_CONTENT

    def clear(self, call: Call[Network], **params: str) -> Reply:
        (parent_id,) = params.values()
        self._change(call, parent_id, lambda current: [])
        return NO_CONTENT

    @staticmethod
    def _require(tags: list[str], tag: str) -> None:
        if tag not in tags:
            raise NotFound(f"Tag {tag} could not be found.", code="TagNotFound")

    @staticmethod
    def _checked(tag: str) -> str:
        try:
            return str(_TAG(tag))
        except Invalid as invalid:
            raise bad_request(f"Invalid input for tags. Reason: {invalid}.") from None

    @staticmethod
    def _read(call: Call[Network]) -> list[str]:
        body = call.raw_json()
        if not isinstance(body, dict) or "tags" not in body:
            raise bad_request("Invalid tags body")
        try:
            tags: list[str] = _TAGS(body["tags"])
        except Invalid as invalid:
            raise bad_request(f"Invalid input for tags. Reason: {invalid}.") from None
        return tags

    def _change(self, call: Call[Network], parent_id: str, change: Any) -> list[str]:
        with call.service.db.write() as connection:
            row = self._noun.load(call, connection, parent_id, lock=True)
            rule = f"update_{self._noun.name}"
            if not call.service.policy.allows(call.ctx, rule, self._noun.target(row)):
                raise forbidden(f"rule:{rule}")
            tags: list[str] = change(base.from_json(row.tags))
            if len(tags) > _MAXIMUM:
                raise bad_request(f"Invalid input for tags. Reason: a resource has at most {_MAXIMUM} tags.")
            self._store(call.service, connection, row, tags)
        return tags

    def _store(self, service: Network, connection: Connection, row: Row[Any], tags: list[str]) -> None:
        connection.execute(sa.delete(resource_tags).where(resource_tags.c.resource_id == row.id))
        if tags:
            connection.execute(sa.insert(resource_tags), [{"resource_id": row.id, "tag": tag} for tag in tags])
        base.change(service, connection, self._noun.collection.table, row.id, tags=base.to_json(tags))


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
