"""Nova: servers, from the request until they run."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.clouds.network import a_network
from benchmarks.clouds.target import NAME, Case, Target
from benchmarks.load import Request

_SHARE = 4
"""Servers are this many times fewer than other rows: the original boots about one a second."""


@contextmanager
def compute(cloud: Target, rows: int) -> Iterator[list[Case]]:
    url, count = cloud.url("compute"), max(2, rows // _SHARE)
    quotas = f"{url}/os-quota-sets/{cloud.project}"
    flavor = {"name": f"{NAME}-{uuid.uuid4().hex}", "vcpus": 1, "ram": 64, "disk": 0}
    cloud.call("PUT", quotas, {"quota_set": {"instances": -1, "cores": -1, "ram": -1}})
    flavors: list[str] = []
    try:
        with a_network(cloud) as network_id, _an_image(cloud) as image_id:
            flavors += cloud.create(f"{url}/flavors", "flavor", [flavor])
            server = {"name": NAME, "imageRef": image_id, "flavorRef": flavors[0], "networks": [{"uuid": network_id}]}

            def boot() -> int:
                cloud.create(f"{url}/servers", "server", [server] * (count - 1))
                cloud.until(lambda: not cloud.call("GET", f"{url}/servers?status=BUILD&limit=1")["servers"])
                ready = cloud.call("GET", f"{url}/servers?status=ACTIVE&limit=1000")["servers"]
                if len(ready) < count:
                    raise RuntimeError(f"{count - len(ready)} of {count} servers did not start")
                return count - 1

            try:
                made = cloud.create(f"{url}/servers", "server", [server])
                yield [
                    Case("boot a server with a port, until it runs", once=boot),
                    Case("show a server", Request("GET", f"{url}/servers/{made[0]}")),
                    Case(f"list {count} servers in detail", Request("GET", f"{url}/servers/detail?limit={count}")),
                    Case(f"list {count} servers", Request("GET", f"{url}/servers?limit={count}")),
                    Case("list flavors in detail", Request("GET", f"{url}/flavors/detail")),
                    Case("delete a server, until it is gone", once=lambda: _none_left(cloud, url)),
                ]
            finally:
                cloud.begin_cleaning()
                _none_left(cloud, url)
    finally:
        cloud.begin_cleaning()
        cloud.delete(f"{url}/flavors", flavors)
        cloud.call("DELETE", quotas)


def _none_left(cloud: Target, url: str) -> int:
    return cloud.clear(f"{url}/servers?limit=1000", "servers", f"{url}/servers")


@contextmanager
def _an_image(cloud: Target) -> Iterator[str]:
    url = f"{cloud.url('image')}/v2/images"
    made = cloud.create(url, "", [{"name": NAME, "disk_format": "raw", "container_format": "bare"}])
    try:
        cloud.call("PUT", f"{url}/{made[0]}/file", bytes(1024), **{"Content-Type": "application/octet-stream"})
        yield made[0]
    finally:
        cloud.begin_cleaning()
        cloud.delete(url, made)
