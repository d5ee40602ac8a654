"""Filters, weighers and expressions over pools."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.volume.scheduling import expressions
from cumulet.volume.scheduling.filters import fits
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
