"""The shared images of a host: fetched once, held against Image's hash, inspected before anything opens them."""

from __future__ import annotations

import struct
import subprocess
import threading
from pathlib import Path

import pytest

from cumulet.agents.compute.image_service import ImageError
from cumulet.agents.compute.images import ImageCache
from tests.agents.compute.support import StoredImages

QCOW2_BACKING = b"/etc/passwd"


@pytest.fixture
def images() -> StoredImages:
    return StoredImages()


@pytest.fixture
def cache(tmp_path: Path, images: StoredImages) -> ImageCache:
    return ImageCache(tmp_path / "_base", images)


def qcow2(size: int = 1 << 20, *, backing: bytes = b"") -> bytes:
    """A well-formed empty qcow2 (version 3) of this virtual size, optionally over another file."""
    cluster = 1 << 16
    at = 512 if backing else 0
    header = struct.pack(
        ">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, at, len(backing), 16, size, 0, 1, 3 * cluster, cluster, 1, 0, 0,
        0, 0, 0, 4, 104,
    )  # fmt: skip
    first = header.ljust(512, b"\0") + backing
    counts = (struct.pack(">Q", 2 * cluster), struct.pack(">4H", 1, 1, 1, 1), b"")
    return b"".join(part.ljust(cluster, b"\0") for part in (first, *counts))


def test_a_raw_image_is_shared_as_it_is_and_read_only(images: StoredImages, cache: ImageCache) -> None:
    image = images.show(images.add(b"hello" * 1000, disk_format="raw"))
    base = cache.fetch(image)
    assert base.path.read_bytes() == b"hello" * 1000
    assert base.size == 5000
    assert base.path.stat().st_mode & 0o777 == 0o444


def test_a_qcow2_image_becomes_raw(images: StoredImages, cache: ImageCache) -> None:
    base = cache.fetch(images.show(images.add(qcow2(3 << 20))))
    assert base.size == 3 << 20
    assert not base.path.read_bytes().strip(b"\0")


def test_many_guests_fetch_an_image_once(images: StoredImages, cache: ImageCache) -> None:
    image = images.show(images.add(b"x" * 200_000, disk_format="raw"))
    threads = [threading.Thread(target=cache.fetch, args=(image,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert images.reads == [image["id"]]
    assert cache.fetch(image).size == 200_000


def test_damaged_data_is_not_used(images: StoredImages, cache: ImageCache) -> None:
    image = images.show(images.add(b"good", disk_format="raw"))
    images.files[image["id"]] = b"evil"
    with pytest.raises(ImageError, match="damaged"):
        cache.fetch(image)
    assert not cache.has(image["id"])
    images.files[image["id"]] = b"good"
    assert cache.fetch(image).size == 4


@pytest.mark.parametrize(
    ("data", "claims", "says"),
    [
        (qcow2(backing=QCOW2_BACKING), "qcow2", "not accepted"),
        (qcow2(), "raw", "claims to be raw but is qcow2"),
        (b"nothing of the kind" * 100, "qcow2", "claims to be qcow2 but is raw"),
        (b"x", "docker", "cannot be run here"),
    ],
    ids=["reaches for another file", "qcow2 as raw", "raw as qcow2", "unknown"],
)
def test_an_image_that_is_not_what_it_says_is_refused(
    images: StoredImages, cache: ImageCache, data: bytes, claims: str, says: str
) -> None:
    image = images.show(images.add(data, disk_format=claims))
    with pytest.raises(ImageError, match=says):
        cache.fetch(image)
    assert not cache.has(image["id"])


def test_an_id_never_leads_elsewhere(images: StoredImages, cache: ImageCache) -> None:
    image_id = images.add(b"x", disk_format="raw")
    with pytest.raises(ImageError, match="cannot be used"):
        cache.fetch(images.show(image_id) | {"id": "../../etc/cron.d/x"})


def test_what_nobody_uses_goes(images: StoredImages, cache: ImageCache) -> None:
    used, idle = (images.add(b"x" * size, disk_format="raw") for size in (10, 20))
    for image_id in (used, idle):
        cache.fetch(images.show(image_id))
    assert cache.sweep({used}, older_than_s=3600) == []
    assert cache.sweep({used}, older_than_s=-1) == [idle]
    assert cache.has(used)


def test_qemu_agrees_about_these_files(tmp_path: Path) -> None:
    """What the tests above call well-formed is so."""
    file = tmp_path / "x.qcow2"
    file.write_bytes(qcow2())
    try:
        done = subprocess.run(["qemu-img", "check", str(file)], capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("qemu-img is not installed")
    assert done.returncode == 0, done.stderr
