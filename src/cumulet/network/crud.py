"""The five handlers every noun of Network has, made from its description.

A noun's handler module makes a `Noun` and names its handlers; what a create, change or delete means is in its domain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from cumulet.kernel.errors import ApiError, PreconditionFailed
from cumulet.kernel.http import NO_CONTENT, Call, Reply, Route
from cumulet.network.attributes import Attribute, Values, changes, creations, guarded_names
from cumulet.network.domain import listing
from cumulet.network.domain.source import Source, Thing, field_name
from cumulet.network.errors import bad_request, forbidden
from cumulet.network.service import Network

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sqlalchemy.engine import Connection, Row

    from cumulet.kernel.context import Context


class Domain(Protocol):
    """What a noun's domain module has. Each change runs in the transaction it is handed."""

    @property
    def SOURCE(self) -> Source: ...

    def create(self, network: Network, connection: Connection, ctx: Context, values: Values) -> str:
        """Makes one and returns its id."""

    def update(self, network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None: ...

    def delete(self, network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None: ...


Enrich = Callable[["Call[Network]", "Connection", dict[str, Any]], None]
Judge = Callable[[Network, list[str]], "sa.ColumnElement[bool]"]
Dress = Callable[[Network, "Connection", "Context", Sequence[Thing]], None]


@dataclass(frozen=True)
class Noun:
    """One noun of the API.

    `rule` is its name in access rules where that is another one. `enrich` adds what the rules need to a policy target.
    `dress` completes what is shown by what depends on the caller or on other tables, `dressed` being the attributes
    it sets; `judged` are query keys for what no column holds, with the condition that their values make. A noun
    below another one (`/floatingips/{id}/port_forwardings`) has a `parent`, and `parent_key` is the attribute that
    holds the parent's id; its paths have two identifiers.
    """

    name: str
    plural: str
    attributes: Mapping[str, Attribute]
    domain: Domain
    rule: str = ""
    enrich: Enrich | None = None
    dress: Dress | None = None
    dressed: frozenset[str] = frozenset()
    judged: Mapping[str, Judge] = field(default_factory=dict)
    parent: Noun | None = None
    parent_key: str = ""
    _secret: tuple[str, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        secret = tuple(key for key, attribute in self.attributes.items() if attribute.secret)
        object.__setattr__(self, "_secret", secret)

    @property
    def source(self) -> Source:
        return self.domain.SOURCE

    @property
    def missing(self) -> Callable[[str], ApiError]:
        return self.source.missing

    def _rule(self, verb: str) -> str:
        return f"{verb}_{self.rule or self.name}"

    # -- reading ---------------------------------------------------------------------------------------------------
    def index(self, call: Call[Network], **params: str) -> Reply:
        """Whoever may see none gets an empty list, as from the original."""
        service, query, ctx = call.service, call.query(), call.ctx
        maximum = max(0, service.conf.pagination_max_limit)
        plain = {key: values for key, values in query.items() if key not in self.judged}
        request = listing.asked(self.source, self.attributes, plain, maximum)
        request.conditions += [judge(service, query[key]) for key, judge in self.judged.items() if key in query]
        target = _owned(ctx.project_id)
        with service.db.read() as connection:
            if self.parent is not None:
                (parent_id,) = params.values()
                target |= _above(self.parent.show_row(call, connection, parent_id))
                request.conditions.append(self.source.table.c[self.parent_key] == parent_id)
            things: list[Thing] = []
            if service.policy.allows(ctx, self._rule("get"), target):
                things = self._page(call, connection, request)
        body: dict[str, Any] = {self.plural: self._chosen(things, request.fields)}
        url = call.base_url + str(call.req.path)
        links = listing.links(url, query, [thing.id for thing in things], request)
        if links is not None:
            body[f"{self.plural}_links"] = links
        return Reply(body)

    def _page(self, call: Call[Network], connection: Connection, request: listing.Asked) -> list[Thing]:
        # Attributes that are found by looking elsewhere take the whole row; others are read alone.
        plain = request.fields if request.fields and not request.fields & self.dressed else None
        things = listing.page(connection, self.source, call.ctx, request, plain)
        return self.present(call, connection, things, dress=plain is None)

    @staticmethod
    def _chosen(things: list[Thing], fields: frozenset[str]) -> list[Any]:
        if not fields:
            return things
        names = [(name, field_name(name)) for name in sorted(fields)]
        chosen = [{name: getattr(thing, attribute, msgspec.UNSET) for name, attribute in names} for thing in things]
        return [{name: value for name, value in one.items() if value is not msgspec.UNSET} for one in chosen]

    def show(self, call: Call[Network], **params: str) -> Reply:
        *above, identifier = params.values()
        with call.service.db.read() as connection:
            target: dict[str, Any] = {}
            if self.parent is not None:
                target = _above(self.parent.show_row(call, connection, above[0]))
                if self.source.load(connection, identifier)._mapping[self.parent_key] != above[0]:
                    raise self.missing(identifier)
            thing = self.source.thing(connection, identifier, call.ctx)
            if thing is None or not self._may_see(call, thing, target):
                raise self.missing(identifier)
            things = self.present(call, connection, [thing])
        return Reply({self.name: self._chosen(things, listing.fields_of(call.query()))[0]})

    def _may_see(self, call: Call[Network], thing: Thing, target: dict[str, Any]) -> bool:
        target |= {**_owned(getattr(thing, "project_id", None)), **_sharing(thing)}
        return call.service.policy.allows(call.ctx, self._rule("get"), target)

    def show_row(self, call: Call[Network], connection: Connection, identifier: str, *, lock: bool = False) -> Row[Any]:
        """The whole row, if the caller may see it. Raises the noun's 404."""
        row = self.source.load(connection, identifier, call.ctx, lock=lock)
        if not call.service.policy.allows(call.ctx, self._rule("get"), self.target(row)):
            raise self.missing(identifier)
        return row

    def _load(
        self, call: Call[Network], connection: Connection, params: dict[str, str]
    ) -> tuple[Row[Any], dict[str, Any]]:
        """The row that a path names, locked, if the caller may see it, and what access rules see of it."""
        *above, identifier = params.values()
        more: dict[str, Any] = {}
        if self.parent is not None:
            more = _above(self.parent.show_row(call, connection, above[0], lock=True))
        row = self.source.load(connection, identifier, call.ctx, lock=True)
        target = {**self.target(row), **more}
        mine = not above or row._mapping[self.parent_key] == above[0]
        if not mine or not call.service.policy.allows(call.ctx, self._rule("get"), target):
            raise self.missing(identifier)
        return row, target

    def target(self, row: Row[Any]) -> dict[str, Any]:
        """What access rules see of a row."""
        target = dict(row._mapping)
        return {**target, **_owned(target.get("project_id"))}

    def present(
        self, call: Call[Network], connection: Connection, things: Sequence[Thing], *, dress: bool = True
    ) -> list[Thing]:
        """Things as the caller may see them: attributes with a rule of their own are asked about once a request."""
        if dress and self.dress is not None and things:
            self.dress(call.service, connection, call.ctx, things)
        for key in self._secret:
            if not call.service.policy.allows(call.ctx, f"{self._rule('get')}:{key}"):
                attribute = field_name(key)
                for thing in things:
                    setattr(thing, attribute, msgspec.UNSET)
        return list(things)

    # -- changing --------------------------------------------------------------------------------------------------
    def create(self, call: Call[Network], **params: str) -> Reply:
        service = call.service
        values, given, bulk = creations(call.raw_json(), self.name, self.plural, self.attributes, call.ctx)
        with service.write() as connection:
            above: Values = {}
            target: dict[str, Any] = {}
            if self.parent is not None:
                (parent_id,) = params.values()
                above = {self.parent_key: parent_id}
                target = _above(self.parent.show_row(call, connection, parent_id, lock=True))
            for item, names in zip(values, given, strict=True):
                item.update(above)
                self._may(call, connection, "create", {**item, **_owned(item.get("project_id")), **target}, names)
            ids = [self.domain.create(service, connection, call.ctx, item) for item in values]
            things = self.present(call, connection, self.source.things(connection, ids))
        return Reply({self.plural: things} if bulk else {self.name: things[0]}, 201)

    def update(self, call: Call[Network], **params: str) -> Reply:
        service = call.service
        values = changes(call.raw_json(), self.name, self.attributes)
        with service.write() as connection:
            row, target = self._load(call, connection, params)
            self._may(call, connection, "update", {**target, **values}, frozenset(values))
            check_revision(call, row)
            self.domain.update(service, connection, call.ctx, row, values)
            things = self.present(call, connection, self.source.things(connection, [row.id]))
        return Reply({self.name: things[0]})

    def delete(self, call: Call[Network], **params: str) -> Reply:
        service = call.service
        with service.write() as connection:
            row, target = self._load(call, connection, params)
            self._may(call, connection, "delete", target, frozenset())
            check_revision(call, row)
            self.domain.delete(service, connection, call.ctx, row)
        return NO_CONTENT

    def may(self, call: Call[Network], rule: str, row: Row[Any]) -> None:
        """An action's own rule on a row. Raises Forbidden."""
        if not call.service.policy.allows(call.ctx, rule, self.target(row)):
            raise forbidden(f"rule:{rule}")

    def _may(
        self, call: Call[Network], connection: Connection, verb: str, target: dict[str, Any], names: frozenset[str]
    ) -> None:
        policy, rule = call.service.policy, self._rule(verb)
        if self.enrich is not None:
            self.enrich(call, connection, target)
        if not policy.allows(call.ctx, rule, target):
            raise forbidden(f"rule:{rule}")
        for key in guarded_names(self.attributes, names):
            if not policy.allows(call.ctx, f"{rule}:{key}", target):
                raise forbidden(f"rule:{rule} and rule:{rule}:{key}")


def _owned(project_id: str | None) -> dict[str, Any]:
    return {"project_id": project_id, "tenant_id": project_id}


def _above(parent: Row[Any]) -> dict[str, Any]:
    """What access rules see of the noun above."""
    owner = parent._mapping.get("project_id")
    return {"ext_parent:tenant_id": owner, "ext_parent:project_id": owner}


def _sharing(thing: Thing) -> dict[str, Any]:
    shared = getattr(thing, "shared", msgspec.UNSET)
    return {} if shared is msgspec.UNSET else {"shared": shared}


def check_revision(call: Call[Network], row: Row[Any]) -> None:
    """`If-Match: revision_number=N` (extension revision-if-match). Raises PreconditionFailed."""
    given = call.header("If-Match")
    if given is None:
        return
    key, _, number = given.partition("=")
    if key.strip() != "revision_number":
        return
    if not number.strip().isdigit():
        raise bad_request("Bad format for If-Match: revision_number takes a number")
    if int(number) != row._mapping.get("revision_number"):
        raise PreconditionFailed(
            f"Constrained to {number.strip()}, but current revision is {row._mapping.get('revision_number')}",
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
