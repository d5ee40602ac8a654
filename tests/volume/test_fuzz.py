"""Every operation of the Block Storage API, asked with whatever comes to mind: an answer, and never a failure.

`CUMULET_FUZZ_EXAMPLES` is how many requests each operation gets (10: about half a minute for all of them).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.fuzzing import Requests
from tests.specification import Specification
from tests.volume.support import ADMIN_PROJECT, IMAGE_ID, Cloud

EXAMPLES = int(os.environ.get("CUMULET_FUZZ_EXAMPLES", "10"))
SPECIFICATION = Specification("block-storage-v3.yaml")
OPERATIONS = [  # without the copies of its paths that begin with a project's id
    (method, path)
    for method, path in SPECIFICATION.operations()
    if not path.startswith(("/v3/{project_id}", "/v3/{admin_project_id}"))
]
BY_SEGMENT = {
    "attachments": "attachment_id",
    "backups": "backup_id",
    "capabilities": "host_name",
    "default-types": "project_id",
    "encryption": "encryption_id",
    "extra_specs": "key",
    "group_snapshots": "group_snapshot_id",
    "group_specs": "key",
    "group_types": "group_type_id",
    "groups": "group_id",
    "messages": "message_id",
    "metadata": "key",
    "os-volume-transfer": "transfer_id",
    "qos-specs": "qos_id",
    "snapshots": "snapshot_id",
    "types": "type_id",
    "volume-transfers": "transfer_id",
    "volumes": "volume_id",
}
"""What `{id}` stands for behind a segment of a path."""
VERSIONS = ("3.71", "3.71", "3.71", "3.0", "3.27", "3.52")


class World:
    """A cloud with a back end, and one of everything."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.made = 0

    def _repair(self) -> None:
        """What was fuzzed may have taken away what others need."""
        quotas = dict.fromkeys(("volumes", "snapshots", "gigabytes", "backups", "backup_gigabytes", "groups"), -1)
        self._ask("PUT", f"/os-quota-sets/{ADMIN_PROJECT}", {"quota_set": quotas})
        service = {"host": "node1@simulated", "binary": "cinder-volume"}
        self._ask("PUT", "/os-services/enable", service)
        self._ask("PUT", "/os-services/thaw", service, 200)

    def _ask(self, method: str, path: str, body: Any, status: int = 200) -> Any:
        return self.cloud.json(method, path, "admin", status=status, json=body)

    def ids(self) -> dict[str, str]:
        """For each path parameter one that there is, new each time: what is fuzzed may delete them."""
        self.made += 1
        self._repair()
        name = f"x{self.made}"
        volume = self.cloud.create("admin", volume_type="__DEFAULT__", metadata={"k": "v"})["id"]
        used = self.cloud.create("admin", volume_type="__DEFAULT__")["id"]
        for each in (volume, used):
            assert self.cloud.settled(each)["status"] == "available"
        type_id = self._ask("POST", "/types", {"volume_type": {"name": name, "extra_specs": {"k": "v"}}})["volume_type"]
        group_type = self._ask("POST", "/group_types", {"group_type": {"name": name}}, 202)["group_type"]
        snapshot = self._ask("POST", "/snapshots", {"snapshot": {"volume_id": volume, "metadata": {"k": "v"}}}, 202)
        attachment = self._ask("POST", "/attachments", {"attachment": {"volume_uuid": used}})["attachment"]
        qos = self._ask("POST", "/qos-specs", {"qos_specs": {"name": name, "k": "v"}})["qos_specs"]
        return {
            "volume_id": volume,
            "volume_uuid": used,
            "snapshot_id": snapshot["snapshot"]["id"],
            "attachment_id": attachment["id"],
            "type_id": type_id["id"],
            "volume_type": name,
            "group_type_id": group_type["id"],
            "qos_id": qos["id"],
            "key": "k",
            "name": "default",
            "host_name": "node1@simulated",
            "project_id": ADMIN_PROJECT,
            "imageRef": IMAGE_ID,
            "image_id": IMAGE_ID,
        }


@pytest.fixture(scope="module")
def world(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    cloud = Cloud(tmp_path_factory.mktemp("state"), lambda name: module_database_url)
    cloud.images.data[IMAGE_ID] = b"data"
    cloud.add_host("node1")
    cloud.start_engine()
    yield World(cloud)
    cloud.close()


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[f"{method} {path}" for method, path in OPERATIONS])
def test_an_operation_never_fails(world: World, method: str, path: str) -> None:
    requests = Requests(method, path, SPECIFICATION.described(method, path))
    ids = world.ids()
    segments = path.split("/")
    above = segments[segments.index("{id}") - 1] if "{id}" in segments else ""
    ids["id"] = ids.get(BY_SEGMENT.get(above, ""), ids["volume_id"])
    tokens = st.sampled_from(["admin"] * 8 + ["member", "reader", "nova", "unknown", ""])

    @given(requests.of(ids, ["admin"]), tokens, st.sampled_from(VERSIONS))
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def ask(request: dict[str, Any], token: str, version: str) -> None:
        headers = {name: value for name, value in request.pop("headers").items() if value}
        headers |= {"OpenStack-API-Version": f"volume {version}", "X-Auth-Token": token}
        path = request.pop("path")
        answer = world.cloud.client.request(requests.method, path, headers=headers, **request)
        note(f"{answer.status} {answer.body[:300]!r}")
        assert answer.status < 500

    ask()
