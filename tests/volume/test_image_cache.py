"""The image-volume cache: what is kept, what is cloned of it, what goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.volume.support import IMAGE_ID, PROJECT, Cloud

INTERNAL = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
OPTIONS = f"""
enabled_backends = simulated
cinder_internal_tenant_project_id = {INTERNAL}
cinder_internal_tenant_user_id = internal
[simulated]
image_volume_cache_enabled = true
image_volume_cache_max_count = 2
[backend_defaults]
image_volume_cache_max_size_gb = 5
"""
OTHER_IMAGES = [f"33333333-3333-4333-8333-{number:012d}" for number in range(3)]


@pytest.fixture
def caching(database_urls: Callable[[str], str], tmp_path: Path) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path, database_urls, OPTIONS)
    for image_id in (IMAGE_ID, *OTHER_IMAGES):
        facts = {"id": image_id, "updated_at": "2026-01-01T00:00:00Z", "virtual_size": 3 << 20}
        cloud.images.images[image_id] = cloud.images.images[IMAGE_ID] | facts
        cloud.images.data[image_id] = image_id.encode() * 100
    cloud.add_host("node1")
    cloud.start_engine()
    yield cloud
    cloud.close()


def cached(cloud: Cloud) -> dict[str, Any]:
    """name -> volume, of the internal project; none that is on its way."""

    def look() -> list[Any] | None:
        query = f"/volumes/detail?all_tenants=1&project_id={INTERNAL}"
        found: list[Any] = cloud.json("GET", query, "admin")["volumes"]
        return found if all(each["status"] == "available" for each in found) else None

    return {each["name"]: each for each in cloud.until(lambda: [look()] if look() is not None else None)[0]}


def sources(cloud: Cloud, volume_id: str) -> bytes:
    driver = cloud.hosts["node1"]
    connection = driver.connect(volume_id, "test", {"host": "node1"}, "ro")
    return Path(connection["data"]["path"]).read_bytes()[:3600]


def test_the_first_volume_fills_it_and_others_are_clones(caching: Cloud) -> None:
    quota = {"quota_set": {"volumes": 3}}
    caching.json("PUT", f"/os-quota-sets/{PROJECT}", "admin", json=quota)
    first = caching.available(imageRef=IMAGE_ID, size=3)
    [kept] = cached(caching).values()
    assert (kept["name"], kept["size"], kept["consumes_quota"]) == (f"image-{IMAGE_ID}", 1, False)
    assert kept["user_id"] == "internal"
    caching.images.data[IMAGE_ID] = b"Image is asked no more"
    second = caching.available(imageRef=IMAGE_ID, size=2)
    assert list(cached(caching)) == [f"image-{IMAGE_ID}"]
    for made, size in ((first, 3), (second, 2)):
        assert (made["size"], made["bootable"], made["source_volid"]) == (size, "true", None)
        assert made["volume_image_metadata"]["image_id"] == IMAGE_ID
        assert sources(caching, made["id"]) == IMAGE_ID.encode() * 100
    assert len(caching.json("GET", "/volumes")["volumes"]) == 2


def test_an_image_that_changed_is_fetched_anew(caching: Cloud) -> None:
    caching.available(imageRef=IMAGE_ID)
    [before] = cached(caching).values()
    caching.images.images[IMAGE_ID]["updated_at"] = "2026-02-02T00:00:00Z"
    caching.images.data[IMAGE_ID] = b"n" * 3600
    made = caching.available(imageRef=IMAGE_ID)
    assert sources(caching, made["id"]) == b"n" * 3600
    caching.until(lambda: caching.is_gone(before["id"]))
    [after] = cached(caching).values()
    assert after["id"] != before["id"]


def test_what_was_used_longest_ago_goes_first(caching: Cloud) -> None:
    one, two, three = OTHER_IMAGES
    for image_id in (one, two, one, three):
        caching.available(imageRef=image_id)
    caching.until(lambda: len(cached(caching)) == 2)
    assert set(cached(caching)) == {f"image-{one}", f"image-{three}"}
    caching.images.images[two]["virtual_size"] = 6 << 30
    caching.available(imageRef=two, size=6)  # larger than the cache may be
    assert set(cached(caching)) == {f"image-{one}", f"image-{three}"}
    caching.images.images[two] |= {"virtual_size": 5 << 30, "updated_at": "2026-03-03T00:00:00Z"}
    caching.available(imageRef=two, size=5)
    caching.until(lambda: set(cached(caching)) == {f"image-{two}"})


def test_an_operator_may_delete_what_is_kept(caching: Cloud) -> None:
    caching.available(imageRef=IMAGE_ID)
    [kept] = cached(caching).values()
    body = {"os-force_delete": {}}
    assert caching.call("POST", f"/volumes/{kept['id']}/action", "admin", json=body).status == 202
    caching.until(lambda: caching.is_gone(kept["id"]))
    made = caching.available(imageRef=IMAGE_ID)
    assert sources(caching, made["id"]) == IMAGE_ID.encode() * 100
    assert len(cached(caching)) == 1


def test_an_image_that_cannot_be_kept_is_used_all_the_same(caching: Cloud) -> None:
    """A volume that is smaller than what is kept is made from the image."""
    caching.images.images[IMAGE_ID]["virtual_size"] = 2 << 30
    caching.available(imageRef=IMAGE_ID, size=2)
    made = caching.available(imageRef=IMAGE_ID, size=1)
    assert sources(caching, made["id"]) == IMAGE_ID.encode() * 100
    assert len(cached(caching)) == 1
