"""`/allocation_candidates`.

A client that will look at a few candidates only may say so: `Prefer: sample=100` (RFC 7240) has at most so many of them
drawn at random, beside all that the query says, and the answer says `Preference-Applied`. A Placement that does not
know this answers as ever.
"""

from __future__ import annotations

import re

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply
from cumulet.kernel.microversions import Version
from cumulet.placement.domain import provider_lists
from cumulet.placement.domain.provider_lists import UnknownClass, UnknownTrait
from cumulet.placement.domain.search import candidates
from cumulet.placement.domain.search.request import Group, Policy, Search
from cumulet.placement.http import answer, require_acceptable
from cumulet.placement.schemas.allocation_candidates import GroupQuery, parse
from cumulet.placement.service import Placement
from cumulet.placement.views import allocation_candidates as views

_NESTED_SINCE = (1, 29)
_SAMPLE = re.compile(r"(?:^|,)\s*sample\s*=\s*([1-9][0-9]{0,5})\s*(?:,|;|$)")


def index(call: Call[Placement]) -> Reply:
    require_acceptable(call)
    call.service.policy.can(call.ctx, "placement:allocation_candidates:list")
    search = _search(call.query(), call.version)
    snapshot = call.service.snapshots.current()
    try:
        provider_lists.check_names(snapshot, search.groups, search.root_required | search.root_forbidden)
    except UnknownClass as error:
        raise BadRequest(f"Invalid resource class in resources parameter: No such resource class {error}.") from None
    except UnknownTrait as error:
        raise BadRequest(f"No such trait(s): {error}.") from None
    sample = _sample(call.header("Prefer"))
    found = candidates.find(snapshot, search, _policy(call.service), sample)
    headers = None if sample is None else {"Preference-Applied": f"sample={sample}"}
    return answer(call, views.body(snapshot, search, found, call.version), headers=headers)


def _sample(prefer: str | None) -> int | None:
    """The preference, None without one. What cannot be understood is read over, as RFC 7240 has it."""
    match = _SAMPLE.search(prefer or "")
    return int(match[1]) if match else None


def _search(query: dict[str, list[str]], version: Version) -> Search:
    groups, wide = parse(query, version)
    return Search(
        groups=tuple(_group(suffix, group) for suffix, group in groups.items()),
        limit=wide.limit,
        isolate=wide.group_policy == "isolate",
        root_required=wide.root_required,
        root_forbidden=wide.root_forbidden,
        same_subtrees=wide.same_subtrees,
        nested=version >= _NESTED_SINCE,
    )


def _group(suffix: str, query: GroupQuery) -> Group:
    return Group(
        suffix=suffix,
        resources=query.resources,
        required=query.required,
        forbidden=query.forbidden,
        member_of=query.member_of,
        forbidden_aggregates=query.forbidden_aggregates,
        in_tree=query.in_tree,
    )


def _policy(placement: Placement) -> Policy:
    options = placement.conf.placement
    most = options.max_allocation_candidates
    return Policy(
        randomize=options.randomize_allocation_candidates,
        breadth_first=options.allocation_candidates_generation_strategy == "breadth-first",
        most=None if most < 0 else most,
    )
