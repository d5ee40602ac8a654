"""Where one noun's rows come from, and how a row becomes the object that the API shows.

What the API shows of a noun is chosen column by column, so a list reads nothing that it does not send, and JSON that is
kept in a row goes into the answer as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel import clock
from cumulet.kernel.context import Context
from cumulet.kernel.errors import ApiError

Condition = sa.ColumnElement[bool]
Filter = Callable[[list[str]], Condition]
Convert = Callable[[Any], Any]
Thing = Any
"""A msgspec Struct with the attributes of the API; one that is UNSET is not shown."""

CALLER = sa.bindparam("caller_project", type_=sa.String)
"""The caller's project in conditions that are built once; `seen_as(ctx)` gives its value."""

_iso = lru_cache(8192)(clock.iso)
_TIMES = ("created_at", "updated_at")


def sees_everything(ctx: Context) -> bool:
    return ctx.is_admin or "service" in ctx.roles


def seen_as(ctx: Context) -> dict[str, str]:
    """The parameters of a statement with CALLER in it."""
    return {"caller_project": ctx.project_id or ""}


class Shown:
    """An attribute that is not simply a column of its name: the column and what makes its value the API's."""

    def __init__(self, column: sa.ColumnElement[Any], convert: Convert | None = None) -> None:
        self.column = column
        self.convert = convert


class Source:
    """One noun's table as the API sees it.

    `shown` names the attributes in order; a name without an entry in `where` is the column of that name. `extra` are
    attributes that no column holds and somebody else fills in. `visible` is the condition for rows that a caller who
    is no administrator may see (None: all of them). `filters` make conditions of query keys that are not columns.
    `restricted` is the condition for the rows that are this noun at all, where a table has several.
    """

    def __init__(
        self,
        table: sa.Table,
        missing: Callable[[str], ApiError],
        shown: Sequence[str],
        *,
        where: Mapping[str, Shown | sa.ColumnElement[Any]] | None = None,
        extra: Sequence[str] = (),
        visible: Condition | None = None,
        filters: Mapping[str, Filter] | None = None,
        restricted: Condition | None = None,
    ) -> None:
        self.table = table
        self.missing = missing
        self.visible = visible
        self.filters = dict(filters or {})
        self.restricted = restricted
        self._shown = {name: _shown(table, name, (where or {}).get(name)) for name in shown}
        fields = [*shown, *extra]
        self.kind = msgspec.defstruct(
            f"{table.name}_shown",
            [(field_name(name), Any, msgspec.UNSET) for name in fields],
            rename={field_name(name): name for name in fields},
            gc=False,
        )
        self._layouts: dict[tuple[str, ...], _Layout] = {}
        self._all = tuple(shown)
        self._by_id = self._statements(sa.select(table))
        self._things_by_id = self._statements(sa.select(*self.layout().columns))

    def _statements(self, query: sa.Select[Any]) -> dict[tuple[bool, bool], sa.Select[Any]]:
        """By (whether it is narrowed to what the caller may see, whether it locks): hot statements are built once."""
        mine = query.where(self.table.c.id == sa.bindparam("sought", type_=sa.String))
        if self.restricted is not None:
            mine = mine.where(self.restricted)
        seen = mine if self.visible is None else mine.where(self.visible)
        return {
            (False, False): mine,
            (False, True): mine.with_for_update(),
            (True, False): seen,
            (True, True): seen.with_for_update(),
        }

    def column(self, name: str) -> sa.ColumnElement[Any] | None:
        """The column behind an attribute, for filters and orders."""
        if name in self._shown:
            return self._shown[name].column
        return self.table.c.get("project_id" if name == "tenant_id" else name)

    # -- rows: all columns, for the domain -----------------------------------------------------------------------

    def find(
        self, connection: Connection, identifier: str, ctx: Context | None = None, *, lock: bool = False
    ) -> Row[Any] | None:
        """The row, if `ctx` may see it (None: whoever)."""
        narrowed = ctx is not None and not sees_everything(ctx)
        values = {"sought": identifier, **(seen_as(ctx) if ctx is not None else {})}
        return connection.execute(self._by_id[narrowed, lock], values).first()

    def load(
        self, connection: Connection, identifier: str, ctx: Context | None = None, *, lock: bool = False
    ) -> Row[Any]:
        """`find`. Raises the noun's 404."""
        row = self.find(connection, identifier, ctx, lock=lock)
        if row is None:
            raise self.missing(identifier)
        return row

    # -- things: what the API shows ------------------------------------------------------------------------------

    def layout(self, names: Iterable[str] | None = None) -> _Layout:
        """How rows with these attributes (None: all) are read."""
        chosen = self._all if names is None else tuple(name for name in self._shown if name in set(names))
        found = self._layouts.get(chosen)
        if found is None:
            found = _Layout(self.kind, {name: self._shown[name] for name in chosen})
            self._layouts[chosen] = found
        return found

    def thing(self, connection: Connection, identifier: str, ctx: Context | None = None) -> Thing | None:
        """What the API shows of one row, None when there is none that `ctx` may see."""
        narrowed = ctx is not None and not sees_everything(ctx)
        values = {"sought": identifier, **(seen_as(ctx) if ctx is not None else {})}
        row = connection.execute(self._things_by_id[narrowed, False], values).first()
        return None if row is None else self.layout().thing(row)

    def things(self, connection: Connection, ids: Sequence[str]) -> list[Thing]:
        """What the API shows of rows that there are, in the order of `ids`."""
        if len(ids) == 1:
            return [self.thing(connection, ids[0])]
        found = {thing.id: thing for thing in self.select(connection, self.table.c.id.in_(ids))}
        return [found[identifier] for identifier in ids]

    def select(self, connection: Connection, condition: Condition, *order: Any) -> list[Thing]:
        """What the API shows of all rows that meet the condition."""
        layout = self.layout()
        query = sa.select(*layout.columns).where(condition).order_by(*order)
        return layout.things(connection.execute(query))


def field_name(attribute: str) -> str:
    """A Python name for an attribute such as `router:external`."""
    return attribute.replace(":", "_").replace("-", "_")


def _shown(table: sa.Table, name: str, given: Shown | sa.ColumnElement[Any] | None) -> Shown:
    if isinstance(given, Shown):
        return given
    column = given if given is not None else table.c["project_id" if name == "tenant_id" else name]
    if isinstance(column.type, sa.Text):  # JSON, ready to be sent (tables.json_text)
        return Shown(column, msgspec.Raw)
    return Shown(column, _iso if name in _TIMES else None)


class _Layout:
    """Some attributes of a noun in a fixed order: their columns, and how a row of these becomes a Struct."""

    def __init__(self, kind: type[Any], shown: Mapping[str, Shown]) -> None:
        self._kind = kind
        self.columns = [one.column.label(f"c{index}") for index, one in enumerate(shown.values())]
        self._converts = [(index, one.convert) for index, one in enumerate(shown.values()) if one.convert is not None]
        self._names = [field_name(name) for name in shown]
        # Positional construction is the cheapest: it fits when the attributes are the first ones of the Struct.
        self._positional = tuple(self._names) == kind.__struct_fields__[: len(self._names)]

    def things(self, rows: Iterable[Sequence[Any]]) -> list[Thing]:
        kind, converts = self._kind, self._converts
        made = []
        for row in rows:
            values = list(row)
            for index, convert in converts:
                value = values[index]
                if value is not None:
                    values[index] = convert(value)
            made.append(kind(*values) if self._positional else kind(**dict(zip(self._names, values, strict=True))))
        return made

    def thing(self, row: Sequence[Any]) -> Thing:
        return self.things([row])[0]
