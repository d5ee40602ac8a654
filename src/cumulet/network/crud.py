"""The five handlers every noun of Network has, made from its description.

A noun's handler module makes a `Noun` and names its handlers; what a create, change or delete means is in its domain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import ApiError, PreconditionFailed
from cumulet.kernel.http import NO_CONTENT, Call, Reply, Route
from cumulet.network import listing
from cumulet.network.attributes import Values, changes, creations, guarded_names
from cumulet.network.errors import bad_request, forbidden
from cumulet.network.listing import Collection
from cumulet.network.service import Network

Thing = dict[str, Any]


class Domain(Protocol):
    """What a noun's domain module has. Each change runs in the transaction it is handed."""

    def create(self, network: Network, connection: Connection, ctx: Context, values: Values) -> str:
        """Makes one and returns its id."""

    def update(self, network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None: ...

    def delete(self, network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None: ...


@dataclass(frozen=True)
class Noun:
    """One noun of the API. `missing(id)` is its 404."""

    collection: Collection
    domain: Domain
    missing: Callable[[str], ApiError]
    after: Callable[[Network], None] | None = None  # after a change was committed: wake whoever acts on it
    enrich: Callable[[Call[Network], dict[str, Any]], None] | None = None  # adds what rules need to a policy target
    dress: Callable[[Call[Network], list[Thing]], None] | None = None  # adds what depends on the caller to the answer

    @property
    def name(self) -> str:
        return self.collection.name

    # -- reading ---------------------------------------------------------------------------------------------------
    def index(self, call: Call[Network]) -> Reply:
        service, query = call.service, call.query()
        collection = self.collection
        service.policy.can(
            call.ctx, f"get_{self.name}", {"project_id": call.ctx.project_id, "tenant_id": call.ctx.project_id}
        )
        request = listing.asked(collection, query)
        with service.db.read() as connection:
            rows, more = listing.page(connection, collection, call.ctx, request)
        things = self.present(call, rows, request.fields)
        body: dict[str, Any] = {collection.plural: things}
        url = call.base_url + str(call.req.path)
        links = listing.links(collection.plural, url, query, [row.id for row in rows], request, more)
        if links is not None:
            body[f"{collection.plural}_links"] = links
        return Reply(body)

    def show(self, call: Call[Network], **params: str) -> Reply:
        (identifier,) = params.values()
        fields = [name for value in call.query().get("fields", ()) for name in value.split(",") if name]
        with call.service.db.read() as connection:
            row = self.load(call, connection, identifier)
        return Reply({self.name: self.present(call, [row], fields)[0]})

    def load(self, call: Call[Network], connection: Connection, identifier: str, *, lock: bool = False) -> Row[Any]:
        """The row, if the caller may see it. Raises the noun's 404."""
        collection = self.collection
        query = sa.select(collection.table).where(collection.table.c.id == identifier)
        visible = collection.visible(call.ctx)
        if visible is not None:
            query = query.where(visible)
        if lock:
            query = query.with_for_update()
        row = connection.execute(query).first()
        if row is None or not call.service.policy.allows(call.ctx, f"get_{self.name}", self.target(row)):
            raise self.missing(identifier)
        return row

    def target(self, row: Row[Any]) -> Mapping[str, Any]:
        target = dict(row._mapping)
        target["tenant_id"] = target.get("project_id")
        return target

    def present(self, call: Call[Network], rows: Iterable[Row[Any]], fields: list[str]) -> list[Thing]:
        """Rows as the caller may see them: attributes with a rule of their own are asked about once a request."""
        hidden = [
            key
            for key, attribute in self.collection.attributes.items()
            if attribute.secret and not call.service.policy.allows(call.ctx, f"get_{self.name}:{key}")
        ]
        things = [self.collection.view(row) for row in rows]
        if self.dress is not None:
            self.dress(call, things)
        for thing in things if hidden else ():
            for key in hidden:
                thing.pop(key, None)
        if fields:
            wanted = set(fields)
            things = [{key: value for key, value in thing.items() if key in wanted} for thing in things]
        return things

    # -- changing --------------------------------------------------------------------------------------------------
    def create(self, call: Call[Network]) -> Reply:
        service, collection = call.service, self.collection
        values, given, bulk = creations(
            call.raw_json(), collection.name, collection.plural, collection.attributes, call.ctx
        )
        for item, names in zip(values, given, strict=True):
            self._may(call, "create", {**item, "tenant_id": item.get("project_id")}, names)
        with service.db.write() as connection:
            ids = [self.domain.create(service, connection, call.ctx, item) for item in values]
            rows = self._rows(connection, ids)
        self._done(service)
        things = self.present(call, rows, [])
        return Reply({collection.plural: things} if bulk else {collection.name: things[0]}, 201)

    def update(self, call: Call[Network], **params: str) -> Reply:
        (identifier,) = params.values()
        service, collection = call.service, self.collection
        values = changes(call.raw_json(), collection.name, collection.attributes)
        with service.db.write() as connection:
            row = self.load(call, connection, identifier, lock=True)
            self._may(call, "update", {**self.target(row), **values}, frozenset(values))
            check_revision(call, row)
            self.domain.update(service, connection, call.ctx, row, values)
            changed = self._rows(connection, [identifier])
        self._done(service)
        return Reply({self.name: self.present(call, changed, [])[0]})

    def delete(self, call: Call[Network], **params: str) -> Reply:
        (identifier,) = params.values()
        service = call.service
        with service.db.write() as connection:
            row = self.load(call, connection, identifier, lock=True)
            self._may(call, "delete", self.target(row), frozenset())
            check_revision(call, row)
            self.domain.delete(service, connection, call.ctx, row)
        self._done(service)
        return NO_CONTENT

    def _rows(self, connection: Connection, ids: list[str]) -> list[Row[Any]]:
        table = self.collection.table
        found = {row.id: row for row in connection.execute(sa.select(table).where(table.c.id.in_(ids)))}
        return [found[identifier] for identifier in ids]

    def _may(self, call: Call[Network], action: str, target: Mapping[str, Any], names: frozenset[str]) -> None:
        policy = call.service.policy
        rule = f"{action}_{self.name}"
        target = dict(target)
        if self.enrich is not None:
            self.enrich(call, target)
        if not policy.allows(call.ctx, rule, target):
            raise forbidden(f"rule:{rule}")
        for key in guarded_names(self.collection.attributes, names):
            if not policy.allows(call.ctx, f"{rule}:{key}", target):
                raise forbidden(f"rule:{rule} and rule:{rule}:{key}")

    def _done(self, service: Network) -> None:
        if self.after is not None:
            self.after(service)


def check_revision(call: Call[Network], row: Row[Any]) -> None:
    """`If-Match: revision_number=N` (extension revision-if-match). Raises PreconditionFailed."""
    given = call.header("If-Match")
    if given is None:
        return
    key, _, number = given.partition("=")
    if key.strip() != "revision_number" or not number.strip().isdigit():
        raise bad_request("If-Match must be revision_number=N")
    if int(number) != row.revision_number:
        raise PreconditionFailed(
            f"Constrained to {number.strip()}, but current revision is {row.revision_number}",
            code="RevisionNumberConstraintFailed",
        )


def crud(path: str, noun: Noun, parameter: str | None = None) -> tuple[Route, ...]:
    """The five routes of a noun: `crud("/v2.0/ports", ports.NOUN)`."""
    name = parameter or f"{noun.name}_id"
    return (
        Route("GET", path, noun.index),
        Route("POST", path, noun.create),
        Route("GET", f"{path}/{{{name}}}", noun.show),
        Route("PUT", f"{path}/{{{name}}}", noun.update),
        Route("DELETE", f"{path}/{{{name}}}", noun.delete),
    )
