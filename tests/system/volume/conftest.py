"""A cloud for real guests' volumes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ceph import POOL, USER, Ceph, missing
from tests.system.compute import real
from tests.system.compute.story import Story, told

_CONF = """\
[DEFAULT]
enabled_backends = file, pool
[file]
[pool]
volume_driver = cinder.volume.drivers.rbd.RBDDriver
rbd_pool = {pool}
rbd_user = {user}
rbd_ceph_conf = {conf}
"""


@pytest.fixture(scope="module")
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A cloud with one real server and, where there is a Ceph, volumes in its pool beside those in files."""
    images = real.guest_images()
    if isinstance(images, str):  # the reason for which there are none
        pytest.skip(images)
    confs = {}
    if missing() is None:
        one: Ceph = request.getfixturevalue("one_ceph")
        confs = {"cinder": _CONF.format(pool=POOL, user=USER, conf=one.conf)}
    with told(tmp_path_factory.mktemp("real"), images, **confs) as made:
        yield made
