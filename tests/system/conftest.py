"""Clouds for the tests of the whole program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.cloud import Cloud, a_cloud
from tests.system.compute import real
from tests.system.compute.story import Story, told


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A running cloud that tests leave running."""
    with a_cloud(tmp_path_factory.mktemp("cloud")) as made:
        made.up()
        yield made


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A cloud with one real server, for modules marked REAL_SERVER."""
    images = real.guest_images()
    if isinstance(images, str):  # the reason for which there are none
        pytest.skip(images)
    with told(tmp_path_factory.mktemp("real"), images) as made:
        yield made


@pytest.fixture
def own_cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A cloud that is down and may be treated badly."""
    with a_cloud(tmp_path / "cloud", "--workers", "2", "--services", "identity") as made:
        yield made
