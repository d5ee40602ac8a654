"""The wanted state on the wire: whole documents, deltas between generations, and how a bad object is left out.

One object that does not decode must not keep the other thousand from being applied: it is left out of the result and
named among the errors, and the state it had before (if any) stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Struct, field

from cumulet.agents.network.state import KINDS, AddressSet, Uuid, WantedState


class GenerationGap(Exception):
    """The delta starts from another generation than the agent has: a full state is needed."""

    def __init__(self, have: int, base: int) -> None:
        super().__init__(f"the delta is from generation {base}, the agent is at {have}")
        self.have = have
        self.base = base


class AddressChange(Struct, frozen=True, omit_defaults=True):
    """Members that joined and left one address set, so that a large group need not be sent again."""

    id: Uuid
    add: frozenset[str] = frozenset()
    remove: frozenset[str] = frozenset()


class Delta(Struct, frozen=True, omit_defaults=True):
    """Changes from `base_generation` to `generation`: whole new objects by kind, and the ids of those that ended.

    `changed` and `removed` have the keys of `state.KINDS`.
    """

    host: str
    base_generation: int
    generation: int
    changed: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    removed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    address_changes: tuple[AddressChange, ...] = ()


class Decoded(Struct, frozen=True):
    """A document and, by `kind/id`, why an object of it was left out."""

    document: WantedState | Delta
    errors: dict[str, str]


class _Identity(Struct):
    id: str = "?"


class _Wire(Struct):
    host: str
    generation: int
    base_generation: int | None = None
    networks: list[msgspec.Raw] = []
    subnets: list[msgspec.Raw] = []
    ports: list[msgspec.Raw] = []
    endpoints: list[msgspec.Raw] = []
    security_groups: list[msgspec.Raw] = []
    address_sets: list[msgspec.Raw] = []
    routers: list[msgspec.Raw] = []
    metering_labels: list[msgspec.Raw] = []
    removed: dict[Annotated[str, msgspec.Meta(max_length=32)], tuple[str, ...]] = {}
    address_changes: list[msgspec.Raw] = []


_wire = msgspec.json.Decoder(_Wire)
_decoders = {kind: msgspec.json.Decoder(struct) for kind, struct in KINDS.items()}
_address_change = msgspec.json.Decoder(AddressChange)
_identity = msgspec.json.Decoder(_Identity)


def encode(document: WantedState | Delta) -> bytes:
    """JSON: `{"host", "generation", KIND: [object, …]}`; deltas add `base_generation`, `removed`, `address_changes`.

    Objects of one kind are a list; the dictionary keys of `WantedState` are their ids.
    """
    body: dict[str, Any] = {"host": document.host, "generation": document.generation}
    if isinstance(document, WantedState):
        for kind in KINDS:
            body[kind] = list(getattr(document, kind).values())
    else:
        body |= {kind: list(objects) for kind, objects in document.changed.items()}
        body["base_generation"] = document.base_generation
        body["removed"] = document.removed
        body["address_changes"] = document.address_changes
    return msgspec.json.encode(body)


def decode(data: bytes) -> Decoded:
    """A full state or a delta (it has `base_generation`). msgspec.DecodeError if it is not such a document at all."""
    wire = _wire.decode(data)
    errors: dict[str, str] = {}
    objects = {kind: _objects(kind, getattr(wire, kind), _decoders[kind], errors) for kind in KINDS}
    if wire.base_generation is None:
        by_id = {kind: {o.id: o for o in found} for kind, found in objects.items()}
        return Decoded(WantedState(host=wire.host, generation=wire.generation, **by_id), errors)
    return Decoded(
        Delta(
            host=wire.host,
            base_generation=wire.base_generation,
            generation=wire.generation,
            changed={kind: tuple(found) for kind, found in objects.items() if found},
            removed=wire.removed,
            address_changes=tuple(_objects("address_changes", wire.address_changes, _address_change, errors)),
        ),
        errors,
    )


def _objects(
    kind: str, raws: list[msgspec.Raw], decoder: msgspec.json.Decoder[Any], errors: dict[str, str]
) -> list[Any]:
    found = []
    for raw in raws:
        try:
            found.append(decoder.decode(raw))
        except msgspec.MsgspecError as error:
            errors[f"{kind}/{_id_of(raw)}"] = str(error)
    return found


def _id_of(raw: msgspec.Raw) -> str:
    try:
        return _identity.decode(raw).id
    except msgspec.MsgspecError:
        return "?"


def apply_delta(state: WantedState, delta: Delta) -> WantedState:
    """The state after `delta`. Objects that did not change are the same Python objects, which makes diffs cheap.

    Raises GenerationGap when the delta does not start at the state's generation.
    """
    if delta.base_generation != state.generation:
        raise GenerationGap(state.generation, delta.base_generation)
    changes: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        changed, removed = delta.changed.get(kind, ()), delta.removed.get(kind, ())
        if changed or removed:
            changes[kind] = _merge(getattr(state, kind), changed, removed)
    if delta.address_changes:
        sets = changes.get("address_sets", state.address_sets)
        changes["address_sets"] = {**sets, **_changed_sets(sets, delta.address_changes)}
    return msgspec.structs.replace(state, generation=delta.generation, **changes)


def _merge(old: Mapping[str, Any], changed: Iterable[Any], removed: Iterable[str]) -> dict[str, Any]:
    merged = dict(old)
    for object_id in removed:
        merged.pop(object_id, None)
    for new in changed:
        if merged.get(new.id) != new:
            merged[new.id] = new
    return merged


def _changed_sets(sets: Mapping[str, AddressSet], changes: Iterable[AddressChange]) -> dict[str, AddressSet]:
    return {
        change.id: AddressSet(
            id=change.id,
            addresses=((sets[change.id].addresses if change.id in sets else frozenset()) - change.remove) | change.add,
        )
        for change in changes
    }
