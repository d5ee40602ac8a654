"""Every operation of the Image API, asked with whatever comes to mind: an answer, and never a failure.

`CUMULET_FUZZ_EXAMPLES` is how many requests each operation gets (10: about a quarter of a minute for all of them).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.fuzzing import JSON, ODD_TEXT, TEXT, Requests, mostly
from tests.image.openapi import SPECIFICATION
from tests.image.support import Images

EXAMPLES = int(os.environ.get("CUMULET_FUZZ_EXAMPLES", "10"))
OPTIONS = """
[DEFAULT]
enabled_backends = fast:file, slow:file, web:http
enabled_import_methods = [glance-direct, web-download, copy-image, glance-download]
show_multiple_locations = True
image_cache_dir = {cache}
image_size_cap = 1000000
[glance_store]
default_backend = fast
[import_filtering_opts]
allowed_hosts = [127.0.0.1]
allowed_ports = [1]
"""
OPERATIONS = SPECIFICATION.operations()
TOKENS = ["member", "admin", "reader", "other", "system", "service"]
FILTERS = [
    *("limit", "marker", "sort", "sort_key", "sort_dir", "name", "id", "status", "visibility", "owner", "tag"),
    *("size_min", "size_max", "created_at", "updated_at", "member_status", "os_hidden", "protected", "checksum"),
    *("os_hash_value", "container_format", "disk_format", "min_ram", "hw_disk_bus"),
]
PATCHED = [
    *("name", "visibility", "protected", "tags", "min_disk", "min_ram", "locations", "owner", "os_hidden", "status"),
    *("disk_format", "container_format", "id", "hw_disk_bus", "os_glance_x", "locations/0", "locations/-"),
    *("locations/1e9", "tags/0", "~0", "~2", "a~1b"),
]
VALUES = st.sampled_from(
    [
        *("public", "shared", "raw", "bare", "admin", True, 0, -1, 1 << 40, None, [], ["a", "a"]),
        {"url": "http://127.0.0.1:1/x", "metadata": {}},
        [{"url": "file:///etc/passwd", "metadata": {}}],
        [{"url": "x"}],
        {"url": 1},
    ]
)


def patches() -> st.SearchStrategy[Any]:
    """Bodies of PATCH, in both forms of the two media types."""
    path = st.sampled_from(PATCHED).map("/{}".format) | TEXT
    operation = mostly(st.sampled_from(["add", "replace", "remove"]), TEXT)
    value = VALUES | JSON
    new = st.fixed_dictionaries({"op": operation, "path": path}, optional={"value": value})
    old = st.builds(lambda op, path, value: {op: path, "value": value}, operation, path, value)
    return mostly(st.lists(new | old, max_size=4), JSON)


def queries() -> st.SearchStrategy[str]:
    right = ["1", "-1", "raw", "in:a,b", 'in:"', "gt:2020-01-01T00:00:00Z", "lt:x", "name:asc,size", "all"]
    value = st.sampled_from(right) | st.text("abc%0ü:,&=", max_size=8)
    pair = st.builds(lambda name, text: f"{name}={text}", st.sampled_from(FILTERS), value)
    return st.lists(pair, max_size=4).map("&".join)


class World:
    """A cloud with one of everything."""

    def __init__(self, images: Images) -> None:
        self.images = images
        self.made = 0

    def ids(self) -> dict[str, str]:
        """For each path parameter one that there is, new each time: what is fuzzed may delete them."""
        self.made += 1
        images, space = self.images, f"space{self.made}"
        active = images.active(b"data")["id"]
        images.json("POST", f"/v2/images/{active}/members", json={"member": "other"})
        images.json("PUT", f"/v2/images/{active}/tags/tag", status=204)
        task = images.json("POST", "/v2/tasks", "admin", json=self._task(), status=201)["id"]
        base = f"/v2/metadefs/namespaces/{space}"
        for path, body in (
            ("/v2/metadefs/namespaces", {"namespace": space, "visibility": "public"}),
            (f"{base}/objects", {"name": "object"}),
            (f"{base}/properties", {"name": "property", "title": "x", "type": "string"}),
            (f"{base}/resource_types", {"name": "OS::X::Y"}),
            (f"{base}/tags/tag", None),
        ):
            images.json("POST", path, "admin", json=body, status=201)
        return {
            "image_id": active,
            "member_id": "other",
            "tag_value": "tag",
            "task_id": task,
            "store_id": "fast",
            "namespace_name": space,
            "object_name": "object",
            "property_name": "property",
            "resource_type": "OS::X::Y",
            "tag_name": "tag",
        }

    def _task(self) -> dict[str, Any]:
        return {
            "type": "import",
            "input": {"import_from": "http://127.0.0.1:1/x", "import_from_format": "raw", "image_properties": {}},
        }


@pytest.fixture(scope="module")
def world(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    state = tmp_path_factory.mktemp("state")
    images = Images(module_database_url, state, OPTIONS.format(cache=state / "cache"))
    yield World(images)
    images.run_jobs()  # whatever was asked for, its work comes to an end
    images.close()


class ImageRequests(Requests):
    """The same with what the specification does not say: filters, patches and data."""

    def of(self, ids: Any, tokens: list[str]) -> st.SearchStrategy[dict[str, Any]]:
        made = super().of(ids, tokens)
        if (self.method, self.path) == ("GET", "/v2/images"):
            return st.builds(lambda one, query: {**one, "path": f"{self.path}?{query}"}, made, queries())
        if self.method == "PATCH":
            media = st.sampled_from(["openstack-images-v2.1-json-patch", "openstack-images-v2.0-json-patch", "json"])
            return st.builds(
                lambda one, body, kind: {
                    "path": one["path"],
                    "json": body,
                    "headers": {"Content-Type": f"application/{kind}"},
                },
                made,
                patches(),
                media,
            )
        if self.method == "PUT" and self.path.endswith(("/file", "/stage")):
            return self._transfers(made)
        if self.method == "GET" and self.path.endswith("/file"):
            return st.builds(lambda one, headers: {**one, "headers": headers}, made, _ranges())
        return made

    def _transfers(self, made: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
        names = ["X-Openstack-Image-Size", "X-Image-Meta-Store"]
        value = st.sampled_from(["4", "-1", "x", "fast", "web", "9" * 30]) | ODD_TEXT.filter(str.isprintable)
        headers = st.dictionaries(st.sampled_from(names), value.map(_ascii), max_size=2)
        return st.builds(
            lambda one, data, more: {
                "path": one["path"],
                "data": data,
                "headers": {"Content-Type": "application/octet-stream", **more},
            },
            made,
            st.binary(max_size=20) | st.just(bytes(1_000_001)),
            headers,
        )


def _ranges() -> st.SearchStrategy[dict[str, str]]:
    text = st.sampled_from(["bytes=0-1", "bytes=-2", "bytes=3-", "bytes=9-", "bytes=2-1", "bytes 0-1/4", "bytes 0-9/*"])
    text |= st.text("bytes=-/*, 0123456789", max_size=12)
    return st.dictionaries(st.sampled_from(["Range", "Content-Range"]), text, max_size=2)


def _ascii(text: str) -> str:
    return text.encode("ascii", "ignore").decode()[:100]


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[f"{method} {path}" for method, path in OPERATIONS])
def test_an_operation_never_fails(world: World, method: str, path: str) -> None:
    described = SPECIFICATION.described(method, path)
    described["parameters"] = [each for each in described.get("parameters", ()) if each["name"] != "Content-Type"]
    requests = ImageRequests(method, path, described)
    ids = world.ids()
    if path.startswith("/v2/cache/"):
        world.images.call("PUT", f"/v2/cache/{ids['image_id']}", "admin")

    @given(requests.of(ids, TOKENS), st.sampled_from(["admin"] * 4 + ["member"] * 4 + [*TOKENS, "bad", ""]))
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def ask(request: dict[str, Any], token: str) -> None:
        headers = {name: value for name, value in request.pop("headers").items() if value}
        answer = world.images.client.request(
            requests.method, request.pop("path"), token=token or None, headers=headers, **request
        )
        note(f"{answer.status} {answer.body[:300]!r}")
        assert answer.status < 500 or _is_no_failure(answer.status, answer.body)

    ask()


def _is_no_failure(status: int, body: bytes) -> bool:
    """What is there but cannot be had just now: a location that a request made, at a port where nobody answers."""
    return status == 503 and b"cannot be reached" in body


def test_nothing_is_left_of_what_was_refused(world: World) -> None:
    """After all that: no file that no image has."""
    images = world.images
    images.run_jobs()
    known: set[str] = set()
    for hidden in ("false", "true"):
        path: str | None = f"/v2/images?limit=1000&os_hidden={hidden}"
        while path:
            page = images.client.request("GET", path, token="admin").json()
            known |= {image["id"] for image in page["images"]}
            path = page.get("next")
    names = {Path(file).name for file in images.files() if "/.incoming/" not in file}
    assert names <= known
    assert not [file for file in images.files() if "/.incoming/" in file]
