"""A Ceph for the tests that need one, started for the first of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cumulet.agents.volume.transfer import short_folder
from tests.agents.volume.ceph import Ceph, missing


@pytest.fixture(scope="session")
def one_ceph() -> Iterator[Ceph]:
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    with short_folder() as folder:
        ceph = Ceph(folder)
        try:
            ceph.start()
            yield ceph
        finally:
            ceph.stop()


@pytest.fixture
def ceph(one_ceph: Ceph) -> Ceph:
    """With an empty pool."""
    one_ceph.empty()
    return one_ceph
