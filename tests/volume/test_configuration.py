"""An operator's cinder.conf as installation guides write it, and the files beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.volume.support import PROJECT, Cloud

GUIDES = """
transport_url = rabbit://openstack:RABBIT_PASS@controller
auth_strategy = keystone
my_ip = 10.0.0.11
enabled_backends = lvm
glance_api_servers = http://controller:9292
default_volume_type = lvmdriver-1
quota_volumes = 3
osapi_max_limit = 5
resource_query_filters_file = filters.json
[lvm]
volume_driver = cinder.volume.drivers.lvm.LVMVolumeDriver
volume_group = cinder-volumes
target_protocol = iscsi
target_helper = tgtadm
[keystone_authtoken]
www_authenticate_uri = http://controller:5000
auth_url = http://controller:5000
memcached_servers = controller:11211
auth_type = password
project_domain_name = default
user_domain_name = default
project_name = service
username = cinder
password = CINDER_PASS
[oslo_concurrency]
lock_path = /var/lib/cinder/tmp
"""


def test_the_guides_configuration_is_taken_as_it_is(database_urls: Callable[[str], str], tmp_path: Path) -> None:
    directory = tmp_path / "etc" / "cinder"
    directory.mkdir(parents=True)
    (directory / "filters.json").write_text(json.dumps({"volume": ["name"]}))
    (directory / "policy.yaml").write_text('"volume:get_all": "role:admin"\n')
    cloud = Cloud(tmp_path, database_urls, GUIDES)
    try:
        assert cloud.json("GET", f"/os-quota-sets/{PROJECT}")["quota_set"]["volumes"] == 3
        assert cloud.json("GET", "/resource_filters")["resource_filters"] == [
            {"resource": "volume", "filters": ["name"]}
        ]
        assert cloud.call("GET", "/volumes").status == 403
        assert cloud.call("GET", "/volumes?status=error", "admin").status == 200
        # The type that cinder.conf names is not there: the one that always is stands in for it.
        assert cloud.json("GET", "/types/default")["volume_type"]["name"] == "__DEFAULT__"
        for name in ("a", "b", "c", "d", "lvmdriver-1"):
            cloud.json("POST", "/types", "admin", json={"volume_type": {"name": name}})
        page = cloud.json("GET", "/types")
        assert len(page["volume_types"]) == 5
        assert page["volume_type_links"][0]["rel"] == "next"
        assert cloud.json("GET", "/types/default")["volume_type"]["name"] == "lvmdriver-1"
    finally:
        cloud.close()


def test_a_broken_filters_file_is_said_at_the_start(database_urls: Callable[[str], str], tmp_path: Path) -> None:
    directory = tmp_path / "etc" / "cinder"
    directory.mkdir(parents=True)
    (directory / "filters.json").write_text("{")
    with pytest.raises(ValueError, match="resource_query_filters_file"):
        Cloud(tmp_path, database_urls, "resource_query_filters_file = filters.json")
