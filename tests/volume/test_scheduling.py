"""Filters, weighers and expressions over pools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cumulet.volume.domain.pools import Pool
from cumulet.volume.scheduling import expressions, json_query
from cumulet.volume.scheduling.filters import fits, has_room
from tests.volume.support import Cloud


@pytest.mark.parametrize(
    ("value", "wanted", "expected"),
    [
        (True, "<is> True", True),
        (True, "<is> False", False),
        ("ssd", "<or> hdd <or> ssd", True),
        ("ssd", "<or> hdd", False),
        ("12", ">= 3", True),
        (2, "= 3", False),
        ("abc", "s== abc", True),
        ("abc", "s!= abc", False),
        ("a b c", "<in> b", True),
        ("simulated", "simulated", True),
        ("simulated", "other", False),
        ("x", ">= 3", False),
        (False, "true", False),
    ],
)
def test_extra_specs_operators(value: Any, wanted: str, expected: bool) -> None:
    assert fits(value, wanted) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("volume.size < 10 and capabilities.total > 5", True),
        ("volume.size > 10 ? 1 : 100", 100),
        ("max(1, 2, -3) ^ 2", 4.0),
        ("'a' == 'a'", True),
        ("not (1 > 2)", True),
        ("-5 + 10 / 4", -2.5),
    ],
)
def test_expressions(text: str, expected: Any) -> None:
    variables = {"volume": {"size": 5}, "capabilities": {"total": "6"}}
    assert expressions.evaluate(text, variables) == expected


@pytest.mark.parametrize(
    "text", ["", "1 +", "nothing.x", "1 2", "@", "1 / 0", "(" * 900, "'a' < 1", "9 ^ 9999", "x" * 3000]
)
def test_broken_expressions_are_refused(text: str) -> None:
    with pytest.raises(expressions.BadExpression):
        expressions.evaluate(text, {})


def test_hints_and_zones(cloud: Cloud) -> None:
    for name in ("node1", "node2"):
        cloud.add_host(name)
    cloud.start_engine()
    first = cloud.available()

    def placed(**hints: Any) -> str:
        body = {"volume": {"size": 1}, "OS-SCH-HNT:scheduler_hints": hints}
        made = cloud.json("POST", "/volumes", status=202, json=body)["volume"]
        return str(cloud.settled(made["id"])["os-vol-host-attr:host"])

    assert placed(same_host=first["id"]) == first["os-vol-host-attr:host"]
    assert placed(different_host=[first["id"]]) != first["os-vol-host-attr:host"]


def test_volumes_are_spread_and_types_choose_back_ends(cloud: Cloud) -> None:
    for name in ("node1", "node2"):
        cloud.add_host(name)
    cloud.start_engine()
    hosts = {cloud.available(size=10)["os-vol-host-attr:host"] for _ in range(2)}
    assert len(hosts) == 2
    body = {
        "volume_type": {
            "name": "here",
            "extra_specs": {"volume_backend_name": "simulated", "capabilities:vendor_name": "s== Cumulet"},
        }
    }
    cloud.json("POST", "/types", "admin", json=body)
    assert cloud.available(volume_type="here")["volume_type"] == "here"


FACTS = {"free_capacity_gb": 90.0, "total_capacity_gb": 100.0, "volume_backend_name": "ssd", "pool": {"kind": "fast"}}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("[]", True),
        ('[">=", "$free_capacity_gb", 90]', True),
        ('["<", "$free_capacity_gb", 90]', False),
        ('["and", [">", "$total_capacity_gb", 50, 60], ["=", "$volume_backend_name", "ssd"]]', True),
        ('["or", ["=", "$volume_backend_name", "hdd"], ["in", "$pool.kind", "slow", "fast"]]', True),
        ('["not", ["=", "$volume_backend_name", "ssd"]]', False),
        ('[">", "$nothing", 5]', False),
        ('["<=", "$volume_backend_name", 5]', False),
    ],
)
def test_queries_of_the_json_filter(query: str, expected: bool) -> None:
    assert json_query.fits(query, FACTS) is expected


@pytest.mark.parametrize("query", ["", "{", '["?", 1]', "[5]", '["and"]', "[" * 40 + "]" * 40, "x" * 5000])
def test_broken_queries_are_refused(query: str) -> None:
    with pytest.raises(json_query.BadQuery):
        json_query.fits(query, FACTS)


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("scheduler_default_filters = CapacityFilter, NoSuchFilter", "NoSuchFilter"),
        ("scheduler_default_weighers = CapacityWeigher, Loaf", "Loaf"),
        ("scheduler_weight_handler = cinder.scheduler.weights.Odd", "Odd"),
    ],
)
def test_unknown_names_are_refused_at_the_start(tmp_path: Path, option: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Cloud(tmp_path, lambda name: f"sqlite:///{tmp_path}/{name}.sqlite", option)


ALL = """
scheduler_default_filters = AvailabilityZoneFilter, cinder.scheduler.filters.capacity_filter.CapacityFilter,
    CapabilitiesFilter, DriverFilter, JsonFilter, InstanceLocalityFilter, RetryFilter
scheduler_default_weighers = ChanceWeigher, AllocatedCapacityWeigher, VolumeNumberWeigher, GoodnessWeigher
scheduler_weight_handler = cinder.scheduler.weights.stochastic.StochasticHostWeightHandler
"""


def test_hints_of_the_filters_that_are_not_on_by_themselves(database_urls: Any, tmp_path: Path) -> None:
    cloud = Cloud(tmp_path, database_urls, ALL)
    try:
        cloud.add_host("node1", total_gb=1000)
        cloud.add_host("node2", total_gb=50)
        cloud.start_engine()
        cloud.servers.hosts["s1"] = "node2"

        def placed(**hints: Any) -> str | None:
            body = {"volume": {"size": 1}, "OS-SCH-HNT:scheduler_hints": hints}
            made = cloud.json("POST", "/volumes", status=202, json=body)["volume"]
            host = cloud.settled(made["id"])["os-vol-host-attr:host"]
            return None if host is None else str(host).partition("@")[0]

        assert placed(query='["<", "$total_capacity_gb", 100]') == "node2"
        assert placed(query=[">", "$total_capacity_gb", 100]) == "node1"
        assert placed(query="{") is None
        assert placed(local_to_instance="s1") == "node2"
        assert placed(local_to_instance="nowhere") is None
        assert placed() in ("node1", "node2")
    finally:
        cloud.close()


def _pool(**facts: Any) -> Pool:
    return Pool(
        name="a@b#c",
        zone="nova",
        usable=True,
        facts={"reserved_percentage": 10, "thin_provisioning": True, "max_over_subscription_ratio": "2.0", **facts},
        total_gb=100,
        free_gb=30,
        provisioned_gb=150,
        allocated_gb=150,
        volumes=1,
        reported_at=0,
        service_id="s",
        disabled=False,
    )


@pytest.mark.parametrize(
    ("facts", "size", "expected"),
    [
        ({}, 40, True),  # (150 + 40) / 100 <= 2 and (30 - 10) * 2 >= 40
        ({}, 41, False),  # more than what is really free, times the ratio
        ({"max_over_subscription_ratio": "1.8"}, 31, False),  # more than may be promised
        ({"max_over_subscription_ratio": "1.8"}, 30, True),
        ({"reserved_percentage": 30}, 1, False),  # nothing is free
        ({"thin_provisioning": False}, 1, False),
    ],
)
def test_room_in_a_thin_pool(cloud: Cloud, facts: dict[str, Any], size: int, expected: bool) -> None:
    assert has_room(cloud.service, _pool(**facts), size) is expected
