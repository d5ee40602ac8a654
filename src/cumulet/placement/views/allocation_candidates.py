"""Allocation candidates as clients see them, written as JSON text straight from the snapshot.

A provider's summary is kept with the provider as long as that does not change, and a candidate of one provider is a
template with its UUID: an answer with a thousand of each is mostly joining strings. Names and UUIDs hold nothing that
JSON would have to escape.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from cumulet.kernel.microversions import Version
from cumulet.placement.domain.search.candidates import Found
from cumulet.placement.domain.search.combine import Candidate
from cumulet.placement.domain.search.request import Search
from cumulet.placement.domain.snapshot.model import Provider, Snapshot

_encode = msgspec.json.Encoder().encode
_BY_PROVIDER_SINCE = (1, 12)
_TRAITS_SINCE = (1, 17)
_ALL_CLASSES_SINCE = (1, 27)
_TREES_SINCE = (1, 29)
_MAPPINGS_SINCE = (1, 34)


def body(snapshot: Snapshot, search: Search, found: Iterable[Found], version: Version) -> bytes:
    """The whole answer: `{"allocation_requests": [...], "provider_summaries": {...}}`."""
    found = list(found)
    requests = _requests(search, found, version)
    summaries = _summaries(snapshot, search, found, version)
    return f'{{"allocation_requests":[{",".join(requests)}],"provider_summaries":{{{",".join(summaries)}}}}}'.encode()


def _requests(search: Search, found: list[Found], version: Version) -> list[str]:
    group = search.groups[0]
    resources = _text(dict(group.resources))
    if version >= _MAPPINGS_SINCE:
        before, between = '{"allocations":{"', f'":{{"resources":{resources}}}}},"mappings":{{"{group.suffix}":["'
        return [
            f'{before}{one.uuid}{between}{one.uuid}"]}}}}' if isinstance(one, Provider) else _mapped(one)
            for one in found
        ]
    write = _by_provider if version >= _BY_PROVIDER_SINCE else _listed
    return [write({one.uuid: dict(group.resources)} if isinstance(one, Provider) else one.amounts) for one in found]


def _mapped(candidate: Candidate) -> str:
    allocations = {uuid: {"resources": amounts} for uuid, amounts in candidate.amounts.items()}
    return _text({"allocations": allocations, "mappings": candidate.mappings})


def _by_provider(amounts: Mapping[str, Mapping[str, int]]) -> str:
    return _text({"allocations": {uuid: {"resources": resources} for uuid, resources in amounts.items()}})


def _listed(amounts: Mapping[str, Mapping[str, int]]) -> str:
    return _text(
        {
            "allocations": [
                {"resource_provider": {"uuid": uuid}, "resources": resources} for uuid, resources in amounts.items()
            ]
        }
    )


def _summaries(snapshot: Snapshot, search: Search, found: list[Found], version: Version) -> list[str]:
    providers = _summarised(snapshot, found, version)
    if version >= _TREES_SINCE:
        return [provider.summary or _remember(provider) for provider in providers]
    wanted = None if version >= _ALL_CLASSES_SINCE else {name for group in search.groups for name in group.resources}
    return [_older_summary(provider, wanted, version) for provider in providers]


def _summarised(snapshot: Snapshot, found: list[Found], version: Version) -> Iterable[Provider]:
    """Every provider of every tree that something would be taken from; before 1.29 only who gives something."""
    givers = {
        uuid: snapshot.providers[uuid]
        for one in found
        for uuid in ((one.uuid,) if isinstance(one, Provider) else one.amounts)
    }
    if version < _TREES_SINCE or not snapshot.nested:
        return givers.values()
    roots = {provider.root_uuid: None for provider in givers.values()}
    return [member for root in roots for member in snapshot.trees[root].members]


def _remember(provider: Provider) -> str:
    parent = "null" if provider.parent_uuid is None else f'"{provider.parent_uuid}"'
    # Two threads may both write it: the same text.
    provider.summary = (
        f'"{provider.uuid}":{{"resources":{_resources(provider, None)},"traits":{_text(sorted(provider.traits))},'
        f'"parent_provider_uuid":{parent},"root_provider_uuid":"{provider.root_uuid}"}}'
    )
    return provider.summary


def _older_summary(provider: Provider, wanted: set[str] | None, version: Version) -> str:
    traits = f',"traits":{_text(sorted(provider.traits))}' if version >= _TRAITS_SINCE else ""
    return f'"{provider.uuid}":{{"resources":{_resources(provider, wanted)}{traits}}}'


def _resources(provider: Provider, wanted: set[str] | None) -> str:
    return _text(
        {
            name: {"capacity": stock.capacity, "used": stock.used}
            for name, stock in provider.stock.items()
            if wanted is None or name in wanted
        }
    )


def _text(value: object) -> str:
    return _encode(value).decode()
