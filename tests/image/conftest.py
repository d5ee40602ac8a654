"""Fixtures: Image services of the tests' own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.image.support import Images
from tests.image.web import Web, serving_web

TWO_STORES = """
[DEFAULT]
enabled_backends = fast:file, slow:file, web:http
enabled_import_methods = [glance-direct, web-download, copy-image, glance-download]
show_multiple_locations = True
[glance_store]
default_backend = fast
[import_filtering_opts]
allowed_hosts = [127.0.0.1]
allowed_ports = [{port}]
"""


@pytest.fixture
def images(migrated_urls: Callable[[str], str], tmp_path: Path) -> Iterator[Images]:
    """A fresh service with its defaults: one store named `file`."""
    made = Images(migrated_urls("image"), tmp_path)
    yield made
    made.close()


@pytest.fixture
def make_images(migrated_urls: Callable[[str], str], tmp_path: Path) -> Iterator[Callable[[str], Images]]:
    """A function that makes services with other options."""
    made: list[Images] = []

    def make(options: str) -> Images:
        state = tmp_path / str(len(made))
        made.append(Images(migrated_urls("image"), state, options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def web() -> Iterator[Web]:
    with serving_web() as server:
        yield server


@pytest.fixture
def stores(make_images: Callable[[str], Images], web: Web) -> Images:
    """A service with two directories and the web as its stores."""
    return make_images(TWO_STORES.format(port=web.port))
