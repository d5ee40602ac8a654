"""The resource providers of compute nodes: their inventories and traits, as the nodes' agents report them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any, Final

from msgspec import Struct

from cumulet.compute.clients.answers import ask, content
from cumulet.compute.clients.placement import HEADERS
from cumulet.kernel.client import Response, Session

log = logging.getLogger(__name__)

_OWNED_CLASSES: Final = frozenset({"VCPU", "PCPU", "MEMORY_MB", "DISK_GB"})
_OWNED_TRAITS: Final = ("COMPUTE_", "HW_CPU_")
_OPERATORS: Final = frozenset({"COMPUTE_STATUS_DISABLED"})
_CUSTOM: Final = "CUSTOM_"


class Stock(Struct, frozen=True):
    """What a node has to be: `inventories` by resource class, and its driver's traits."""

    inventories: dict[str, Any]
    traits: tuple[str, ...] = ()


class Providers:
    """Keeps nodes' providers as reported. What operators gave them beside that (own classes, own traits) stays."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: set[str] = set()  # traits that Placement has
        self._unknown: set[str] = set()

    def ensure(self, uuid: str, name: str, stock: Stock, *, is_new: bool) -> None:
        """Have the provider there with this stock. Doing it twice changes nothing.

        `is_new` says that nobody has heard of it, so that it is made without being looked for.
        """
        traits = self._usable(stock.traits)
        made = self._create(uuid, name) if is_new else None
        generation, present = self._look(uuid, name) if made is None else (made, {})
        others = {key: value for key, value in present.items() if key not in _OWNED_CLASSES}
        # A class that a host has no more stays for those who still hold of it (processors that were set aside since).
        others |= {key: {**present[key], "reserved": present[key]["total"]} for key in _OWNED_CLASSES & present.keys()}
        wanted = {**others, **stock.inventories}
        if present != wanted:
            body = {"resource_provider_generation": generation, "inventories": wanted}
            generation = self._put(uuid, "inventories", body)["resource_provider_generation"]
        if made is None:
            self._change_traits(uuid, traits)
        elif traits:
            self._put_traits(uuid, generation, traits)

    def enter(self, nodes: Mapping[str, tuple[str, Stock]]) -> bool:
        """Make the providers of nodes that nobody has heard of, by id: name and stock, in one call.

        False when that is refused, so that each has to be ensured by itself: one of them is there already, or this
        Placement takes no batches (the original has none).
        """
        batch = [
            {"uuid": uuid, "name": name, "inventories": stock.inventories, "traits": sorted(self._usable(stock.traits))}
            for uuid, (name, stock) in nodes.items()
        ]
        return self._call("POST", "/resource_provider_batches", {"resource_providers": batch}).status < 300

    def _call(self, method: str, path: str, json: Any = None) -> Response:
        return ask(self._session, method, "placement", path, headers=HEADERS, json=json)

    def _put(self, uuid: str, what: str, body: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = content(self._call("PUT", f"/resource_providers/{uuid}/{what}", body), "placement")
        return found

    def _create(self, uuid: str, name: str) -> int | None:
        """The new provider's generation; None when it is there already."""
        answer = self._call("POST", "/resource_providers", {"uuid": uuid, "name": name})
        return None if answer.status == 409 else int(content(answer, "placement")["generation"])

    def _look(self, uuid: str, name: str) -> tuple[int, dict[str, Any]]:
        """(generation, inventories); a provider that is not there is made. Raises GiveUp for another's name."""
        answer = self._call("GET", f"/resource_providers/{uuid}/inventories")
        if answer.status == 404:
            made = content(self._call("POST", "/resource_providers", {"uuid": uuid, "name": name}), "placement")
            return int(made["generation"]), {}
        found = content(answer, "placement")
        return int(found["resource_provider_generation"]), found["inventories"]

    def _change_traits(self, uuid: str, traits: frozenset[str]) -> None:
        found = content(self._call("GET", f"/resource_providers/{uuid}/traits"), "placement")
        wanted = traits | {name for name in found["traits"] if not _is_drivers(name)}
        if wanted != set(found["traits"]):
            self._put_traits(uuid, found["resource_provider_generation"], wanted)

    def _put_traits(self, uuid: str, generation: int, traits: frozenset[str]) -> None:
        self._put(uuid, "traits", {"resource_provider_generation": generation, "traits": sorted(traits)})

    def _usable(self, traits: Collection[str]) -> frozenset[str]:
        """Those that Placement knows; a driver's own (`CUSTOM_…`) are made known."""
        asked = frozenset(traits)
        strange = sorted(asked - self._known - self._unknown)
        if strange:
            for name in strange:
                if name.startswith(_CUSTOM):
                    content(self._call("PUT", f"/traits/{name}"), "placement")
            path = f"/traits?name=in:{','.join(strange)}"
            known = set(content(self._call("GET", path), "placement")["traits"])
            self._known |= known
            self._unknown |= set(strange) - known
            for name in sorted(set(strange) - known):
                log.warning("Placement knows no trait %s: hosts go without it", name)
        return asked & self._known


def _is_drivers(name: str) -> bool:
    """Whether a trait is the driver's to set and to take away, and not an operator's."""
    return name.startswith(_OWNED_TRAITS) and name not in _OPERATORS
