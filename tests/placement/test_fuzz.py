"""Every operation of the Placement API at every kind of microversion, asked with whatever comes to mind.

`CUMULET_FUZZ_EXAMPLES` is how many requests each operation gets (10: a few seconds for all of them).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from cumulet.placement.service import Placement
from tests.fuzzing import JSON, TEXT, Requests, mostly
from tests.placement.support import Api, make_placement
from tests.specification import Specification

EXAMPLES = int(os.environ.get("CUMULET_FUZZ_EXAMPLES", "10"))
SPECIFICATION = Specification("placement-v1.yaml")
VERSIONS = ["1.0", "1.5", "1.7", "1.8", "1.12", "1.13", "1.17", "1.19", "1.20", "1.25", "1.28", "1.30", "1.34", "1.39"]
CLASSES = ["VCPU", "MEMORY_MB", "DISK_GB", "CUSTOM_GOLD", "CUSTOM_UNKNOWN"]
TRAITS = ["HW_CPU_X86_AVX", "CUSTOM_SHINY", "MISC_SHARES_VIA_AGGREGATE", "CUSTOM_UNKNOWN"]
NUMBERS = st.integers(-1, 9) | st.sampled_from([2**31 - 1, 2**31, 2**63, 10**30, 0.5, "1", None])


OPERATIONS = SPECIFICATION.operations()


class World:
    """A tree of two providers with all that providers have, and a consumer; new each time."""

    def __init__(self, placement: Placement) -> None:
        self.api = Api(placement)
        for path in ("/resource_classes/CUSTOM_GOLD", "/traits/CUSTOM_SHINY"):
            assert self.api.put(path, None).status in (201, 204)

    def ids(self) -> dict[str, str]:
        root, child, consumer, aggregate = (str(uuid.uuid4()) for _ in range(4))
        for path in (
            "/resource_classes/CUSTOM_GOLD",
            "/traits/CUSTOM_SHINY",
        ):  # the last requests may have deleted them
            self.api.put(path, None)
        self.api.provider(root, traits=["CUSTOM_SHINY"], aggregates=[aggregate], VCPU=8, MEMORY_MB=64)
        self.api.provider(child, parent=root, CUSTOM_GOLD=8)
        assert self.api.allocate(consumer, allocations={root: {"VCPU": 1}}).status == 204
        return {
            "uuid": root,
            "child": child,
            "consumer_uuid": consumer,
            "resource_class": "VCPU",
            "aggregate": aggregate,
            "unknown": str(uuid.uuid4()),
        }


class Bodies:
    """Bodies whose fields are named by ids, which the specification describes by patterns."""

    def __init__(self, ids: dict[str, str]) -> None:
        self._provider = st.sampled_from([ids["uuid"], ids["uuid"], ids["child"], ids["unknown"]]) | TEXT
        self._consumer = st.sampled_from([ids["consumer_uuid"], ids["unknown"]]) | TEXT
        self._generation = st.sampled_from([0, 1, 2, 3, 4, None]) | NUMBERS

    def inventories(self) -> st.SearchStrategy[Any]:
        names = ["total", "reserved", "min_unit", "max_unit", "step_size", "allocation_ratio"]
        inventory = st.fixed_dictionaries({"total": NUMBERS}, optional=dict.fromkeys(names[1:], NUMBERS))
        found = st.dictionaries(st.sampled_from(CLASSES), mostly(inventory, JSON), max_size=3)
        return st.fixed_dictionaries({"resource_provider_generation": self._generation, "inventories": found})

    def _allocations(self) -> st.SearchStrategy[Any]:
        resources = st.dictionaries(st.sampled_from(CLASSES), NUMBERS, max_size=2)
        one = st.fixed_dictionaries({"resources": resources}, optional={"generation": NUMBERS})
        return st.dictionaries(self._provider, mostly(one, JSON), max_size=2)

    def allocation(self) -> st.SearchStrategy[Any]:
        """As of newer microversions; as of the older ones, a list; and neither."""
        old = st.builds(
            lambda provider, amount: [{"resource_provider": {"uuid": provider}, "resources": {"VCPU": amount}}],
            self._provider,
            NUMBERS,
        )
        optional = {
            "consumer_generation": self._generation,
            "consumer_type": st.sampled_from(["INSTANCE", "unknown", "x", ""]) | TEXT,
            "mappings": st.dictionaries(
                st.sampled_from(["", "1", "_x"]), st.lists(self._provider, max_size=2), max_size=2
            ),
        }
        owner = mostly(st.just("project"), TEXT)
        return st.fixed_dictionaries(
            {"allocations": self._allocations() | old, "project_id": owner, "user_id": owner}, optional=optional
        )

    def allocations(self) -> st.SearchStrategy[Any]:
        return st.dictionaries(self._consumer, mostly(self.allocation(), JSON), max_size=2)

    def reshape(self) -> st.SearchStrategy[Any]:
        found = st.dictionaries(self._provider, mostly(self.inventories(), JSON), max_size=2)
        return st.fixed_dictionaries({"inventories": found, "allocations": self.allocations()})

    def of(self, method: str, path: str) -> st.SearchStrategy[Any] | None:
        """None where the specification says enough."""
        if method == "PUT" and path.endswith("/inventories"):
            return self.inventories()
        if path == "/allocations/{consumer_uuid}" and method == "PUT":
            return self.allocation()
        if path == "/allocations":
            return self.allocations()
        return self.reshape() if path == "/reshaper" else None


def queries(ids: dict[str, str]) -> st.SearchStrategy[str]:
    """Queries of providers and candidates, with groups."""
    group = st.sampled_from(["", "", "1", "2", "_A", "_a-b", "!"])
    provider = st.sampled_from([ids["uuid"], ids["child"], ids["unknown"], "x"])
    aggregate = ids["aggregate"]
    resources = st.dictionaries(st.sampled_from(CLASSES), st.sampled_from(["1", "0", "-1", "99", "x"]), min_size=1)
    traits = st.lists(st.sampled_from([*TRAITS, "!HW_CPU_X86_AVX", "in:CUSTOM_SHINY,HW_CPU_X86_AVX", ""]), max_size=2)
    pair = st.one_of(
        st.builds(
            lambda end, found: (f"resources{end}", ",".join(f"{name}:{amount}" for name, amount in found.items())),
            group,
            resources,
        ),
        st.builds(lambda end, names: (f"required{end}", ",".join(names)), group, traits),
        st.builds(
            lambda end, kind: (f"member_of{end}", kind + aggregate), group, st.sampled_from(["", "!", "in:", "!in:"])
        ),
        st.builds(lambda end, one: (f"in_tree{end}", one), group, provider),
        st.builds(lambda value: ("group_policy", value), st.sampled_from(["none", "isolate", "x"])),
        st.builds(lambda value: ("limit", value), st.sampled_from(["1", "0", "-1", "x", "9" * 30])),
        st.builds(lambda value: ("same_subtree", value), st.sampled_from(["1,2", "_A", "", "1,1", ","])),
        st.builds(lambda value: ("root_required", value), st.sampled_from(TRAITS)),
        st.builds(lambda one: ("uuid", one), provider),
    )
    return st.lists(pair, max_size=5).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))


@pytest.fixture(scope="module")
def world(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    placement = make_placement(tmp_path_factory.mktemp("state"), module_database_url)
    yield World(placement)
    placement.db.close()


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[f"{method} {path}" for method, path in OPERATIONS])
def test_an_operation_never_fails(world: World, method: str, path: str) -> None:
    described = SPECIFICATION.described(method, path)
    described["parameters"] = [each for each in described.get("parameters", ()) if each["in"] == "query"]
    ids = world.ids()
    if "{name}" in path:
        ids["name"] = "CUSTOM_GOLD" if path.startswith("/resource_classes") else "CUSTOM_SHINY"
    requests = Requests(method, path, described)
    made = requests.of(ids, [])
    bodies = Bodies(ids).of(requests.method, path)
    if bodies is not None:
        made |= st.builds(_with_body, made, bodies)
    if method == "get" and path in ("/allocation_candidates", "/resource_providers"):
        made |= st.builds(lambda one, query: {**one, "path": f"{path}?{query}"}, made, queries(ids))

    @given(made, mostly(st.sampled_from(VERSIONS), st.sampled_from(["latest", "1.40", "x", "2.0"])))
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def ask(request: dict[str, Any], version: str) -> None:
        headers = {**request.pop("headers"), "OpenStack-API-Version": f"placement {version}"}
        answer = world.api.request(requests.method, request.pop("path"), headers=headers, **request)
        note(f"{answer.status} {answer.body[:300]!r}")
        assert answer.status < 500

    ask()


def _with_body(request: dict[str, Any], body: Any) -> dict[str, Any]:
    return {"path": request["path"], "headers": {}, "json": body}
