"""The cache of images on one host, and `/v2/cache`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.image.support import Images

DATA = b"cached" * 1000


@pytest.fixture
def cached(make_images: Callable[[str], Images], tmp_path: Path) -> Images:
    return make_images(
        f"[DEFAULT]\nimage_cache_dir = {tmp_path}/0/cache\nimage_cache_max_size = 10000\n"
        "worker_self_reference_url = http://here:9292\n"
    )


def state(images: Images) -> Any:
    return images.json("GET", "/v2/cache", "admin")


def test_the_second_download_comes_from_the_cache(cached: Images) -> None:
    image = cached.active(DATA)
    assert cached.data(image["id"]) == DATA
    assert state(cached) == {"cached_images": [], "queued_images": [image["id"]]}
    cached.run_jobs()
    [entry] = state(cached)["cached_images"]
    assert (entry["image_id"], entry["size"], entry["checksum"]) == (image["id"], len(DATA), image["checksum"])
    assert entry["hits"] == 0
    (cached.state / "images" / image["id"]).unlink()
    assert cached.data(image["id"]) == DATA
    part = cached.call("GET", image["file"], headers={"Range": "bytes=2-5"})
    assert (part.status, part.body) == (206, DATA[2:6])
    assert state(cached)["cached_images"][0]["hits"] == 2
    assert cached.json("GET", f"/v2/cache/nodes/{image['id']}", "admin") == ["http://here:9292"]


def test_images_are_queued_and_taken_out(cached: Images) -> None:
    image, other = cached.active(DATA), cached.active(DATA)
    for one in (image, other):
        assert cached.call("PUT", f"/v2/cache/{one['id']}", "admin").status == 202
    cached.run_jobs()
    assert len(state(cached)["cached_images"]) == 2
    assert cached.call("DELETE", f"/v2/cache/{image['id']}", "admin").status == 204
    assert [entry["image_id"] for entry in state(cached)["cached_images"]] == [other["id"]]
    assert sorted(path.name for path in (cached.state / "cache").iterdir() if path.is_file()) == [other["id"]]
    cached.call("PUT", f"/v2/cache/{image['id']}", "admin")
    headers = {"X-Image-Cache-Clear-Target": "queue"}
    assert cached.call("DELETE", "/v2/cache", "admin", headers=headers).status == 204
    assert state(cached)["queued_images"] == []
    assert cached.call("DELETE", "/v2/cache", "admin").status == 204
    assert state(cached) == {"cached_images": [], "queued_images": []}
    headers = {"X-Image-Cache-Clear-Target": "all"}
    assert cached.call("DELETE", "/v2/cache", "admin", headers=headers).status == 400


def test_the_least_lately_used_are_pruned(cached: Images) -> None:
    made = [cached.active(DATA) for _ in range(3)]
    for one in made:
        cached.call("PUT", f"/v2/cache/{one['id']}", "admin")
    cached.run_jobs()
    cached.data(made[0]["id"])
    pruned = cached.json("POST", "/v2/cache/prune", "admin")
    assert pruned == {"total_files_pruned": 2, "total_bytes_pruned": 2 * len(DATA)}
    assert [entry["image_id"] for entry in state(cached)["cached_images"]] == [made[0]["id"]]


def test_what_is_deleted_does_not_stay_cached(cached: Images) -> None:
    image = cached.active(DATA)
    cached.call("PUT", f"/v2/cache/{image['id']}", "admin")
    cached.run_jobs()
    cached.call("DELETE", f"/v2/images/{image['id']}")
    cached.run_jobs()
    assert cached.call("POST", "/v2/cache/clean", "admin").status == 200
    assert state(cached) == {"cached_images": [], "queued_images": []}
    assert cached.files() == []


def test_a_cached_file_that_is_gone_is_read_from_its_store(cached: Images) -> None:
    image = cached.active(DATA)
    cached.call("PUT", f"/v2/cache/{image['id']}", "admin")
    cached.run_jobs()
    (cached.state / "cache" / image["id"]).unlink()
    assert cached.data(image["id"]) == DATA
    assert state(cached)["queued_images"] == [image["id"]]


def test_who_may(cached: Images) -> None:
    image = cached.create()
    assert cached.call("GET", "/v2/cache").status == 403
    assert cached.call("PUT", f"/v2/cache/{image['id']}").status == 403
    assert cached.call("PUT", f"/v2/cache/{image['id']}", "admin").status == 400
    assert cached.call("PUT", "/v2/cache/none", "admin").status == 404
    assert cached.call("DELETE", "/v2/cache/none", "admin").status == 404


def test_without_a_cache_there_is_none(images: Images) -> None:
    image = images.active(DATA)
    for method, path in (("GET", "/v2/cache"), ("DELETE", "/v2/cache"), ("PUT", f"/v2/cache/{image['id']}")):
        assert images.call(method, path, "admin").status == 404
