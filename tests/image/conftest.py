"""Fixtures: Image services of the tests' own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.image.support import Images


@pytest.fixture
def images(database_url: str, tmp_path: Path) -> Iterator[Images]:
    """A fresh service with its defaults: one store named `file`."""
    made = Images(database_url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def make_images(database_urls: Callable[[str], str], tmp_path: Path) -> Iterator[Callable[[str], Images]]:
    """A function that makes services with other options."""
    made: list[Images] = []

    def make(options: str) -> Images:
        state = tmp_path / str(len(made))
        made.append(Images(database_urls(f"image{len(made)}"), state, options))
        return made[-1]

    yield make
    for one in made:
        one.close()
