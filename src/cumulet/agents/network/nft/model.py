"""An nftables table as a value, and the difference between two of them as one transaction.

Whoever needs a table builds the whole of it as it should be. `difference` finds the few commands that lead there from
what was applied last, and libnftables applies them all or none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from cumulet.agents.network.nft.library import Command

Expression = dict[str, Any]
Rule = list[Expression]


class Range(NamedTuple):
    """An inclusive range within a key; from an equal start and end comes a plain value."""

    first: str | int
    last: str | int


class Verdict(NamedTuple):
    action: Literal["accept", "drop", "jump", "goto", "return"]
    chain: str | None = None


Atom = str | int | Range  # a string with a slash is a prefix
Key = Atom | tuple[Atom, ...]  # a tuple is a concatenation; a Range alone is one value
Value = str | int | Verdict | None


@dataclass(frozen=True)
class SetSpec:
    """What a set or map is declared as. `dynamic` ones are filled with time-outs and are no part of a comparison."""

    type: str | tuple[str, ...]
    data: str | None = None  # a map's data type
    interval: bool = False
    dynamic: bool = False


@dataclass(frozen=True)
class NftSet:
    """A set (every value None) or a map."""

    spec: SetSpec
    elements: Mapping[Key, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Hook:
    type: Literal["filter", "nat", "route"]
    hook: str
    priority: int
    device: str | None = None


@dataclass(frozen=True)
class Chain:
    rules: list[Rule]
    hook: Hook | None = None


@dataclass(frozen=True)
class Table:
    """`objects` are named stateful ones: (kind, name) -> their attributes; kind is `counter` or `limit`."""

    family: str
    name: str
    sets: Mapping[str, NftSet] = field(default_factory=dict)
    chains: Mapping[str, Chain] = field(default_factory=dict)
    objects: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)


def set_of(spec: SetSpec, keys: Iterable[Key]) -> NftSet:
    return NftSet(spec, dict.fromkeys(keys))


def creation(table: Table) -> list[Command]:
    """Commands that replace whatever table there is of this name by exactly this one."""
    identity = {"family": table.family, "name": table.name}
    empty = Table(table.family, table.name)
    # The first `add` lets `delete` succeed where there is none yet.
    return [
        {"add": {"table": identity}},
        {"delete": {"table": identity}},
        {"add": {"table": identity}},
        *difference(empty, table),
    ]


def difference(old: Table, new: Table) -> list[Command]:
    """Commands that turn `old` into `new`; empty if they are equal.

    Their order keeps every reference valid at each step: what is referred to is made first and goes last.
    ValueError if a set is declared otherwise than before, which only `creation` can do.
    """
    where = {"family": new.family, "table": new.name}
    commands: list[Command] = []
    for (kind, name), attributes in new.objects.items():
        if old.objects.get((kind, name)) is None:
            commands.append({"add": {kind: {**where, "name": name, **attributes}}})
    for name, wanted in new.sets.items():
        if name not in old.sets:
            commands.append({"add": _declaration(where, name, wanted.spec)})
        elif old.sets[name].spec != wanted.spec:
            raise ValueError(f"set {name} is declared otherwise than before")
    for name, chain in new.chains.items():
        if name not in old.chains:
            commands.append({"add": {"chain": {**where, "name": name, **_hook(chain.hook)}}})
    for name, existing in old.sets.items():
        gone = _gone(existing, new.sets.get(name))
        if gone:
            commands.append({"delete": _elements(where, name, gone)})
    for name, chain in new.chains.items():
        before = old.chains.get(name)
        if before is None or before.rules != chain.rules:
            if before is not None:
                commands.append({"flush": {"chain": {**where, "name": name}}})
            commands += [{"add": {"rule": {**where, "chain": name, "expr": rule}}} for rule in chain.rules]
    for name, wanted in new.sets.items():
        fresh = _fresh(old.sets.get(name), wanted)
        if fresh:
            commands.append({"add": _elements(where, name, fresh)})
    ended = [name for name in old.chains if name not in new.chains]
    commands += [{"flush": {"chain": {**where, "name": name}}} for name in ended]
    commands += [{"delete": {"chain": {**where, "name": name}}} for name in ended]
    commands += [{"delete": {"set": {**where, "name": name}}} for name in old.sets if name not in new.sets]
    for kind, name in old.objects:
        if (kind, name) not in new.objects:
            commands.append({"delete": {kind: {**where, "name": name}}})
    return commands


def _hook(hook: Hook | None) -> dict[str, Any]:
    if hook is None:
        return {}
    base = {"type": hook.type, "hook": hook.hook, "prio": hook.priority, "policy": "accept"}
    return base if hook.device is None else {**base, "dev": hook.device}


def _declaration(where: Mapping[str, str], name: str, spec: SetSpec) -> dict[str, Any]:
    body: dict[str, Any] = {**where, "name": name}
    body["type"] = spec.type if isinstance(spec.type, str) else list(spec.type)
    flags = (["interval"] if spec.interval else []) + (["timeout"] if spec.dynamic else [])
    if flags:
        body["flags"] = flags
    if spec.data is None:
        return {"set": body}
    return {"map": {**body, "map": spec.data}}


def _gone(old: NftSet, new: NftSet | None) -> dict[Key, Value]:
    """Elements to take out: those that ended, and those of a map whose value is another now."""
    if old.spec.dynamic:
        return {}
    if new is None:
        # Elements of a map hold references to chains and objects that may end in the same transaction.
        return dict(old.elements) if old.spec.data is not None else {}
    if old.elements is new.elements:
        return {}
    missing = object()
    return {key: value for key, value in old.elements.items() if new.elements.get(key, missing) != value}


def _fresh(old: NftSet | None, new: NftSet) -> dict[Key, Value]:
    if old is None:
        return dict(new.elements)
    if new.spec.dynamic or old.elements is new.elements:
        return {}
    missing = object()
    return {key: value for key, value in new.elements.items() if old.elements.get(key, missing) != value}


def _elements(where: Mapping[str, str], name: str, elements: Mapping[Key, Value]) -> dict[str, Any]:
    encoded = [_key(key) if value is None else [_key(key), _value(value)] for key, value in elements.items()]
    return {"element": {**where, "name": name, "elem": encoded}}


def _key(key: Key) -> Any:
    if isinstance(key, tuple) and not isinstance(key, Range):
        return {"concat": [_atom(atom) for atom in key]}
    return _atom(key)


def _atom(atom: Atom) -> Any:
    if isinstance(atom, Range):
        return atom.first if atom.first == atom.last else {"range": [atom.first, atom.last]}
    if isinstance(atom, str) and "/" in atom:
        address, length = atom.split("/")
        return {"prefix": {"addr": address, "len": int(length)}}
    return atom


def _value(value: Value) -> Any:
    if not isinstance(value, Verdict):
        return value
    return {value.action: None if value.chain is None else {"target": value.chain}}
