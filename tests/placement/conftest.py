"""Fixtures: Placement on an empty database of each backend under test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cumulet.placement.service import Placement
from tests.placement.support import Api, make_placement


@pytest.fixture
def placement(migrated_urls: Callable[[str], str], tmp_path: Path) -> Iterator[Placement]:
    made = make_placement(tmp_path, migrated_urls("placement"))
    yield made
    made.db.close()


@pytest.fixture
def api(placement: Placement) -> Api:
    return Api(placement)
