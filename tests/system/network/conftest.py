"""Tests with real namespaces. They need root and a few tools, and say which when these are missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents.network.cloud import Cloud
from tests.system.network.lab import Lab, missing_for_root_tests


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = missing_for_root_tests()
    for item in items:
        if "tests/system/network" not in str(item.path):
            continue
        item.add_marker(pytest.mark.root)
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    try:
        yield lab
    finally:
        lab.close()


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(h1="192.168.77.1", h2="192.168.77.2")
