"""Cinder: volumes, from the request until they are available."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.clouds.target import NAME, Case, Target
from benchmarks.load import Request


@contextmanager
def volume(cloud: Target, rows: int) -> Iterator[list[Case]]:
    base = cloud.url("block-storage", "volumev3", "block-store")
    url = base if base.endswith(cloud.project) else f"{base}/{cloud.project}"
    volumes, quotas = f"{url}/volumes", f"{url}/os-quota-sets/{cloud.project}"
    body = {"name": NAME, "size": 1}
    cloud.call("PUT", quotas, {"quota_set": {"volumes": -1, "gigabytes": -1}})
    try:
        made = cloud.create(volumes, "volume", [body])

        def create() -> int:
            made.extend(cloud.create(volumes, "volume", [body] * (rows - 1)))
            cloud.until(lambda: not cloud.call("GET", f"{volumes}?status=creating&limit=1")["volumes"])
            ready = cloud.call("GET", f"{volumes}?status=available&limit=1000")["volumes"]
            if len(ready) < rows:
                raise RuntimeError(f"{rows - len(ready)} of {rows} volumes did not become available")
            return rows - 1

        yield [
            Case("create a volume, until it is available", once=create),
            Case("show a volume", Request("GET", f"{volumes}/{made[0]}")),
            Case(f"list {rows} volumes in detail", Request("GET", f"{volumes}/detail?limit={rows}")),
            Case(
                "delete a volume, until it is gone",
                once=lambda: cloud.clear(f"{volumes}?limit=1000", "volumes", volumes),
            ),
        ]
    finally:
        cloud.begin_cleaning()
        cloud.clear(f"{volumes}?limit=1000", "volumes", volumes)
        cloud.call("DELETE", quotas)
