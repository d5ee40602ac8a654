"""Fixtures: a cloud on databases of its own of each backend under test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.volume.support import Cloud


@pytest.fixture
def database_urls(migrated_urls: Callable[[str], str]) -> Callable[[str], str]:
    """Those of clouds have their tables already."""
    return migrated_urls


@pytest.fixture(scope="module")
def module_database_url(module_migrated_urls: Callable[[str], str]) -> str:
    """With Volume's tables."""
    return module_migrated_urls("volume")


@pytest.fixture
def cloud(database_urls: Callable[[str], str], tmp_path: Path) -> Iterator[Cloud]:
    """Without a back end and without an engine."""
    made = Cloud(tmp_path, database_urls)
    yield made
    made.close()


@pytest.fixture
def running(cloud: Cloud) -> Cloud:
    """With one back end (`node1@simulated`) and an engine."""
    cloud.add_host("node1")
    cloud.start_engine()
    return cloud
