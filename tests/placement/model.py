"""What Placement should be, as plainly as it can be said: dictionaries, no database, no concurrency, no cleverness."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Inventory:
    total: int
    reserved: int = 0
    min_unit: int = 1
    max_unit: int = 1000
    step_size: int = 1
    allocation_ratio: float = 1.0

    @property
    def capacity(self) -> int:
        return int((self.total - self.reserved) * self.allocation_ratio)

    def body(self) -> dict[str, float]:
        return dict(vars(self))


@dataclass
class Provider:
    generation: int = 0
    parent: str | None = None
    inventories: dict[str, Inventory] = field(default_factory=dict)
    traits: set[str] = field(default_factory=set)
    aggregates: set[str] = field(default_factory=set)


@dataclass
class Consumer:
    generation: int
    amounts: dict[str, dict[str, int]]


class Refused(Exception):
    """The request changes nothing and is answered with a 4xx."""


@dataclass
class Model:
    providers: dict[str, Provider] = field(default_factory=dict)
    consumers: dict[str, Consumer] = field(default_factory=dict)

    # -- what is asked
    def used(self, provider: str) -> Counter[str]:
        total: Counter[str] = Counter()
        for consumer in self.consumers.values():
            total.update(consumer.amounts.get(provider, {}))
        return total

    def root(self, uuid: str) -> str:
        parent = self.providers[uuid].parent
        return uuid if parent is None else self.root(parent)

    def ancestry(self, uuid: str) -> list[str]:
        parent = self.providers[uuid].parent
        return [uuid, *(() if parent is None else self.ancestry(parent))]

    # -- what is changed
    def create(self, uuid: str, parent: str | None) -> None:
        if uuid in self.providers or (parent is not None and parent not in self.providers):
            raise Refused
        self.providers[uuid] = Provider(parent=parent)

    def move(self, uuid: str, parent: str | None) -> None:
        if parent is not None and (parent not in self.providers or uuid in self.ancestry(parent)):
            raise Refused
        self.providers[uuid].parent = parent

    def delete(self, uuid: str) -> None:
        if self.used(uuid) or any(provider.parent == uuid for provider in self.providers.values()):
            raise Refused
        del self.providers[uuid]

    def set_inventories(self, uuid: str, generation: int, wanted: dict[str, Inventory]) -> None:
        provider = self.providers[uuid]
        if any(inventory.capacity < 0 for inventory in wanted.values()) or generation != provider.generation:
            raise Refused
        if self.used(uuid).keys() - wanted.keys():
            raise Refused
        provider.inventories = wanted
        provider.generation += 1

    def set_traits(self, uuid: str, generation: int, wanted: set[str]) -> None:
        provider = self.providers[uuid]
        if generation != provider.generation:
            raise Refused
        if wanted != provider.traits:
            provider.traits = wanted
            provider.generation += 1

    def set_aggregates(self, uuid: str, generation: int, wanted: set[str]) -> None:
        provider = self.providers[uuid]
        if generation != provider.generation:
            raise Refused
        provider.aggregates = wanted
        provider.generation += 1

    def allocate(self, claims: dict[str, tuple[int | None, dict[str, dict[str, int]]]]) -> None:
        """Consumer to (generation the client knows, amounts); everything or nothing."""
        before = {uuid: self.used(uuid) for uuid in self.providers}
        old = {uuid: self.consumers.get(uuid) for uuid in claims}
        for uuid, (generation, amounts) in claims.items():
            known = old[uuid]
            if generation != (None if known is None else known.generation) or amounts.keys() - self.providers.keys():
                raise Refused
        for uuid, (_, amounts) in claims.items():
            known = old[uuid]
            self.consumers.pop(uuid, None)
            if amounts:
                self.consumers[uuid] = Consumer((known.generation if known else 0) + 1, amounts)
        if not all(
            self._allowed(provider, resources, before)
            for _, amounts in claims.values()
            for provider, resources in amounts.items()
        ):
            for uuid, known in old.items():
                self.consumers.pop(uuid, None)
                if known is not None:
                    self.consumers[uuid] = known
            raise Refused
        touched = {provider for _, amounts in claims.values() for provider in amounts}
        touched |= {
            provider
            for uuid, (_, amounts) in claims.items()
            if not amounts
            for provider in (old[uuid].amounts if old[uuid] else ())
        }
        for provider in touched:
            self.providers[provider].generation += 1

    def _allowed(self, provider: str, resources: dict[str, int], before: dict[str, Counter[str]]) -> bool:
        now = self.used(provider)
        for name, amount in resources.items():
            inventory = self.providers[provider].inventories.get(name)
            if inventory is None:
                return False
            if not inventory.min_unit <= amount <= inventory.max_unit or amount % inventory.step_size:
                return False
            if now[name] > inventory.capacity and now[name] > before[provider][name]:
                return False
        return True

    def release(self, consumer: str) -> None:
        if consumer not in self.consumers:
            raise Refused
        del self.consumers[consumer]
