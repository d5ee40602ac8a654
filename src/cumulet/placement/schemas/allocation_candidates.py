"""The query of `/allocation_candidates`: request groups by suffix, and what holds for the whole request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.microversions import Version
from cumulet.placement import errors
from cumulet.placement.errors import bad_value
from cumulet.placement.schemas import filters
from cumulet.placement.schemas.filters import AnyOf, refuse_unknown

Query = Mapping[str, Sequence[str]]

_PREFIXES = (("resources", (1, 10)), ("required", (1, 17)), ("member_of", (1, 21)), ("in_tree", (1, 31)))
_WIDE_KEYS = (("limit", (1, 16)), ("group_policy", (1, 25)), ("root_required", (1, 35)), ("same_subtree", (1, 36)))
_GRANULAR_SINCE = (1, 25)
_NAMED_SUFFIXES_SINCE = (1, 33)
_SAME_SUBTREE_SINCE = (1, 36)
_KEY = {
    True: re.compile(r"(resources|required|member_of|in_tree)([a-zA-Z0-9_-]{1,64})?"),
    False: re.compile(r"(resources|required|member_of|in_tree)([1-9][0-9]*)?"),
}
_LIMIT = re.compile(r"[1-9][0-9]*")
# More candidates than anybody has; a limit may be written with any number of digits.
_LARGEST_LIMIT = 10**9
_LIMIT_DIGITS = 10


@dataclass
class GroupQuery:
    """One request group; the attributes are those of `domain.search.request.Group`."""

    resources: dict[str, int] = field(default_factory=dict)
    required: tuple[AnyOf, ...] = ()
    forbidden: frozenset[str] = frozenset()
    member_of: tuple[AnyOf, ...] = ()
    forbidden_aggregates: frozenset[str] = frozenset()
    in_tree: str | None = None


@dataclass
class WideQuery:
    """What holds for the whole request."""

    limit: int | None
    group_policy: str | None
    root_required: frozenset[str]
    root_forbidden: frozenset[str]
    same_subtrees: tuple[frozenset[str], ...]


def parse(query: Query, version: Version) -> tuple[dict[str, GroupQuery], WideQuery]:
    """Groups by suffix (the empty one first), and the rest. Raises BadRequest."""
    _refuse_unknown(query, version)
    wide = _wide(query)
    groups = _groups(query, version)
    _check_groups(groups, wide, version)
    granular = sum(1 for suffix in groups if suffix)
    if granular > 1 and wide.group_policy is None:
        raise BadRequest(
            'The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.'
        )
    return dict(sorted(groups.items(), key=lambda item: item[0] != "")), wide


def _refuse_unknown(query: Query, version: Version) -> None:
    known = {key for key, since in _WIDE_KEYS if version >= since}
    prefixes = {prefix for prefix, since in _PREFIXES if version >= since}
    pattern = _KEY[version >= _NAMED_SUFFIXES_SINCE]
    unknown = set()
    for key in query:
        match = pattern.fullmatch(key)
        grouped = match is not None and match[1] in prefixes and (match[2] is None or version >= _GRANULAR_SINCE)
        if not grouped and key not in known:
            unknown.add(key)
    refuse_unknown(unknown)
    if version < _GRANULAR_SINCE and "resources" not in query:
        raise BadRequest("Invalid query string parameters: 'resources' is a required property")


def _wide(query: Query) -> WideQuery:
    limit = query["limit"][0] if "limit" in query else None
    if limit is not None and not _LIMIT.fullmatch(limit):
        raise BadRequest(f"Invalid query string parameters: '{limit}' does not match '^[1-9][0-9]*$' (limit)")
    policy = query["group_policy"][0] if "group_policy" in query else None
    if policy not in (None, "none", "isolate"):
        raise BadRequest(
            f"Invalid query string parameters: '{policy}' is not one of ['none', 'isolate'] (group_policy)"
        )
    required, forbidden = _root_traits(query.get("root_required", ()))
    return WideQuery(
        limit=None if limit is None else min(int(limit[:_LIMIT_DIGITS]), _LARGEST_LIMIT),
        group_policy=policy,
        root_required=required,
        root_forbidden=forbidden,
        same_subtrees=tuple(_subtree(value) for value in query.get("same_subtree", ())),
    )


def _root_traits(values: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
    if not values:
        return frozenset(), frozenset()
    if len(values) > 1:
        raise BadRequest("Query parameter 'root_required' may be specified only once.", code=errors.DUPLICATE_KEY)
    # `in:` was never allowed here, whatever the microversion.
    required, forbidden = filters.traits(values, (1, 36))
    names = frozenset().union(*required)
    conflicts = names & forbidden
    if conflicts:
        raise bad_value(
            f"Conflicting required and forbidden traits found in root_required: {', '.join(sorted(conflicts))}"
        )
    return names, forbidden


def _subtree(value: str) -> frozenset[str]:
    suffixes = frozenset(suffix.strip() for suffix in value.split(","))
    if "" in suffixes:
        raise bad_value("Empty string (unsuffixed group) can not be specified in `same_subtree` ")
    return suffixes


def _groups(query: Query, version: Version) -> dict[str, GroupQuery]:
    pattern = _KEY[version >= _NAMED_SUFFIXES_SINCE]
    groups: dict[str, GroupQuery] = {}
    for key, values in query.items():
        match = pattern.fullmatch(key)
        if match is None:
            continue
        suffix = match[2] or ""
        group = groups.setdefault(suffix, GroupQuery())
        if match[1] == "resources":
            group.resources = filters.resources(values[-1])
        elif match[1] == "required":
            group.required, group.forbidden = filters.traits(values, version)
        elif match[1] == "member_of":
            group.member_of, group.forbidden_aggregates = filters.aggregates(values, version, suffix)
        else:
            group.in_tree = filters.provider_uuid(values[-1], "in_tree")
    return groups


def _check_groups(groups: Mapping[str, GroupQuery], wide: WideQuery, version: Version) -> None:
    if version >= _SAME_SUBTREE_SINCE:
        _check_resourceless(groups, wide)
    else:
        _check_orphans(groups)
    conflicting = [
        f"required{suffix}: ({', '.join(sorted(any_of))})"
        for suffix, group in groups.items()
        for any_of in group.required
        if any_of <= group.forbidden
    ]
    if conflicting:
        raise BadRequest(
            "Conflicting required and forbidden traits found in the following traits keys: "
            f"{', '.join(sorted(conflicting))}"
        )


def _check_resourceless(groups: Mapping[str, GroupQuery], wide: WideQuery) -> None:
    """Since 1.36 a group may do without resources if `same_subtree` names it."""
    without = [suffix for suffix, group in groups.items() if not group.resources]
    named = frozenset().union(*wide.same_subtrees)
    if len(without) == len(groups):
        raise BadRequest("There must be at least one resources or resources[$S] parameter.", code=errors.MISSING_VALUE)
    astray = [suffix for suffix in without if suffix not in named]
    if astray:
        raise bad_value(
            "Resourceless suffixed group request should be specified in `same_subtree` query param: bad group(s) - "
            f"{astray}."
        )
    unknown = sorted(named - groups.keys())
    if unknown:
        raise bad_value(f"Real suffixes should be specified in `same_subtree`: {unknown} not found in {list(groups)}.")


def _check_orphans(groups: Mapping[str, GroupQuery]) -> None:
    traits = [f"required{suffix}" for suffix, group in groups.items() if group.required and not group.resources]
    if traits:
        raise BadRequest(
            "All traits parameters must be associated with resources.  Found the following orphaned traits keys: "
            f"{', '.join(traits)}"
        )
    members = [
        f"member_of{suffix}"
        for suffix, group in groups.items()
        if not group.resources and (group.member_of or group.forbidden_aggregates)
    ]
    if members:
        raise BadRequest(
            "All member_of parameters must be associated with resources. Found the following orphaned member_of keys: "
            f"{', '.join(members)}"
        )
    if any(not group.resources for group in groups.values()):
        raise BadRequest("All request groups must specify resources.")
    if not groups:
        raise BadRequest("At least one request group (`resources` or `resources{$S}`) is required.")
