"""Glance: records of images; transfers are in `benchmarks.image`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.clouds.target import NAME, Case, Target
from benchmarks.load import Request


@contextmanager
def image(cloud: Target, rows: int) -> Iterator[list[Case]]:
    url = f"{cloud.url('image')}/v2/images"
    body = {"name": NAME, "disk_format": "raw", "container_format": "bare", "tags": [NAME]}
    try:
        made = cloud.create(url, "", [body] * rows)
        yield [
            Case("show an image", Request("GET", f"{url}/{made[0]}")),
            Case(f"list {rows} images", Request("GET", f"{url}?owner={cloud.project}&limit={rows}")),
            Case("create an image's record", Request("POST", url, json.dumps(body))),
            Case("delete an image", once=lambda: cloud.delete(url, made)),
        ]
    finally:
        cloud.begin_cleaning()
        cloud.clear(f"{url}?owner={cloud.project}&limit=1000", "images", url)
