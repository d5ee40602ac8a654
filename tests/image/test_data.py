"""Data in and out: checksums, ranges, limits, and transfers that do not end well (Image API v2, Image data)."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cumulet.image.domain import recovery
from cumulet.image.transfer.receiving import CHUNK
from cumulet.kernel.bodies import BodyCut
from cumulet.kernel.db import TransactionLost
from tests.image.support import OCTETS, Chunked, Images


def test_what_is_uploaded_comes_back_with_its_checksums(images: Images) -> None:
    data = bytes(range(256)) * 5000
    image = images.active(data)
    assert image["status"] == "active"
    assert image["size"] == image["virtual_size"] == len(data)
    assert image["checksum"] == hashlib.md5(data).hexdigest()
    assert image["os_hash_algo"] == "sha512"
    assert image["os_hash_value"] == hashlib.sha512(data).hexdigest()
    assert image["stores"] == "file"
    answer = images.call("GET", image["file"])
    assert answer.status == 200
    assert answer.body == data
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-length"] == str(len(data))
    assert answer.headers["content-md5"] == image["checksum"]
    assert images.files() == [f"images/{image['id']}"]


def test_data_of_many_chunks_is_hashed_in_order(images: Images) -> None:
    data = b"".join(bytes([number]) * CHUNK for number in range(9)) + b"end"
    image = images.active(data)
    assert image["checksum"] == hashlib.md5(data).hexdigest()
    assert image["os_hash_value"] == hashlib.sha512(data).hexdigest()
    assert images.data(image["id"]) == data


def test_an_image_may_be_empty(images: Images) -> None:
    image = images.active(b"")
    assert (image["status"], image["size"]) == ("active", 0)
    assert images.data(image["id"]) == b""


@pytest.mark.parametrize(
    ("header", "value", "expected", "content_range"),
    [
        ("Range", "bytes=0-4", b"hello", "bytes 0-4/11"),
        ("Range", "bytes=6-", b"world", "bytes 6-10/11"),
        ("Range", "bytes=-4", b"orld", "bytes 7-10/11"),
        ("Range", "bytes=-99", b"hello world", "bytes 0-10/11"),
        ("Range", "bytes=5-99", b" world", "bytes 5-10/11"),
        ("Content-Range", "bytes 1-3/11", b"ell", "bytes 1-3/11"),
    ],
)
def test_ranges(images: Images, header: str, value: str, expected: bytes, content_range: str) -> None:
    image = images.active(b"hello world")
    answer = images.call("GET", image["file"], headers={header: value})
    assert (answer.status, answer.body) == (206, expected)
    assert answer.headers["content-range"] == content_range
    assert answer.headers["content-length"] == str(len(expected))


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("Range", "bytes=50-", 416),
        ("Range", "bytes=5-2", 416),
        ("Range", "bytes=-0", 416),
        ("Range", "chars=1-2", 416),
        ("Range", "bytes=0-1,3-4", 400),
        ("Content-Range", "bytes 1-30/*", 416),
        ("Content-Range", "bytes 3-1/11", 416),
        ("Content-Range", "x", 416),
    ],
)
def test_ranges_that_are_none(images: Images, header: str, value: str, status: int) -> None:
    image = images.active(b"hello world")
    assert images.call("GET", image["file"], headers={header: value}).status == status


def test_an_image_without_data_has_nothing_to_give(images: Images) -> None:
    answer = images.call("GET", images.create()["file"])
    assert (answer.status, answer.body) == (204, b"")


def test_data_that_was_lost_is_no_content(images: Images) -> None:
    image = images.active()
    (images.state / "images" / image["id"]).unlink()
    assert images.call("GET", image["file"]).status == 204


def test_who_may_bring_and_read_data(images: Images) -> None:
    image = images.create(visibility="private")
    assert images.upload(image["id"], b"x", "reader").status == 403
    assert images.upload(image["id"], b"x", "other").status == 404
    assert images.upload(image["id"], b"x").status == 204
    assert images.call("GET", image["file"], "reader").status == 403
    assert images.call("GET", image["file"], "other").status == 404


def test_data_is_brought_once(images: Images) -> None:
    image = images.active()
    answer = images.upload(image["id"], b"other")
    assert answer.status == 409
    assert b"Image status transition from active to saving is not allowed" in answer.body
    assert images.data(image["id"]) == b"data"


def test_data_needs_its_formats_and_type(images: Images) -> None:
    image = images.create(disk_format=None, container_format=None)
    answer = images.upload(image["id"], b"x")
    assert answer.status == 400
    assert b"Properties disk_format, container_format must be set" in answer.body
    assert images.call("PUT", image["file"], data=b"x", headers={"Content-Type": "text/plain"}).status == 415
    assert images.call("PUT", "/v2/images/nope/file", data=b"x", headers=OCTETS).status == 404
    assert images.upload(image["id"], b"x", **{"X-Image-Meta-Store": "nope"}).status == 400
    assert images.show(image["id"])["status"] == "queued"


def test_an_announced_size_that_is_not_true_is_refused(images: Images) -> None:
    image = images.create()
    answer = images.upload(image["id"], b"four", **{"X-Openstack-Image-Size": "5"})
    assert answer.status == 400
    assert b"4 bytes instead of the 5 announced" in answer.body
    assert images.upload(image["id"], b"four", **{"X-Openstack-Image-Size": "x"}).status == 400
    assert images.files() == []
    assert images.upload(image["id"], b"four", **{"X-Openstack-Image-Size": "4"}).status == 204


class Endless:
    """Chunks without end. `after` is called once a number of them was read."""

    def __init__(self, chunks: int, after: Any) -> None:
        self.left = chunks
        self.after = after

    def read(self, size: int) -> bytes:
        if not self.left:
            self.after()
        self.left -= 1
        return b"\1" * size


def test_a_chunked_body_needs_no_length(images: Images) -> None:
    image = images.create()
    assert Chunked(images, io.BytesIO(b"streamed")).put(image["file"]) == 204
    assert images.data(image["id"]) == b"streamed"


def test_endless_chunks_end_at_the_cap_and_leave_nothing(make_images) -> None:
    images = make_images("[DEFAULT]\nimage_size_cap = 3000000\n")
    image = images.create()
    request = Chunked(images, Endless(100, lambda: None))
    assert request.put(image["file"]) == 413
    assert b"The incoming image is too large" in request.body
    assert images.files() == []
    assert images.show(image["id"])["status"] == "queued"
    assert images.upload(image["id"], b"x" * 3_000_001).status == 413
    assert images.upload(image["id"], b"x" * 3_000_000).status == 204


def test_a_body_that_is_cut_leaves_nothing(images: Images) -> None:
    def cut() -> None:
        raise ConnectionError("the client is gone")

    image = images.create()
    assert Chunked(images, Endless(3, cut)).put(image["file"]) in (400, 500)
    assert images.files() == []
    assert images.show(image["id"])["status"] == "queued"


def test_a_delete_during_an_upload_leaves_no_data_and_no_usage(make_images) -> None:
    images = make_images("[DEFAULT]\nuser_storage_quota = 8MB\n")
    image = images.create()

    def delete() -> None:
        assert images.call("DELETE", image["self"]).status == 204
        raise StopIteration

    class DeletedMeanwhile(Endless):
        def read(self, size: int) -> bytes:
            if not self.left:
                assert images.call("DELETE", image["self"]).status == 204
                self.left -= 1
                return b""
            return b"" if self.left < 0 else super().read(size)

    request = Chunked(images, DeletedMeanwhile(5, delete))
    assert request.put(image["file"]) == 410
    assert b"could not be found after upload" in request.body
    assert images.call("GET", image["self"]).status == 404
    images.run_jobs()
    assert images.files() == []
    again = images.create()
    assert images.upload(again["id"], b"x" * (8 << 20)).status == 204


def test_of_two_uploads_at_once_one_is_refused(images: Images) -> None:
    image = images.create()
    held, go = threading.Event(), threading.Event()

    class Slow:
        def __init__(self) -> None:
            self.pieces = [b"first", b""]

        def read(self, size: int) -> bytes:
            held.set()
            assert go.wait(10)
            return self.pieces.pop(0)

    first = Chunked(images, Slow())
    thread = threading.Thread(target=first.put, args=(image["file"],))
    thread.start()
    assert held.wait(10)
    assert images.show(image["id"])["status"] == "saving"
    assert images.upload(image["id"], b"second").status == 409
    go.set()
    thread.join()
    assert first.status == 204
    assert images.data(image["id"]) == b"first"


def test_deleting_an_image_deletes_its_data(images: Images) -> None:
    image = images.active()
    assert images.call("DELETE", image["self"]).status == 204
    images.run_jobs()
    assert images.files() == []


def test_an_image_made_again_under_its_old_id_keeps_its_new_data(images: Images) -> None:
    image = images.active(b"old")
    assert images.call("DELETE", image["self"]).status == 204
    images.create(id=image["id"])
    assert images.upload(image["id"], b"new").status == 204
    images.run_jobs()
    assert images.data(image["id"]) == b"new"


def test_the_storage_quota_counts_what_is_there(make_images) -> None:
    images = make_images("[DEFAULT]\nuser_storage_quota = 10B\n")
    images.active(b"sixsix")
    image = images.create()
    assert images.upload(image["id"], b"fivef").status == 413
    assert Chunked(images, io.BytesIO(b"fivef")).put(image["file"]) == 413
    assert images.show(image["id"])["status"] == "queued"
    assert len(images.files()) == 1
    assert images.upload(image["id"], b"four").status == 204
    assert images.upload(images.create("other")["id"], b"tenbytes10", "other").status == 204


def test_a_dead_writers_image_is_queued_again(images: Images) -> None:
    """A writer that died between publishing its file and becoming active leaves neither bytes nor a stuck image."""
    from cumulet.image.domain import data
    from cumulet.image.guards import Guard
    from tests.image.support import CALLERS

    image = images.create()
    guard = Guard(images.service, CALLERS["member"])
    images.service.writers._prefix = images.service.writers._prefix.rpartition("/")[0] + "/999999.1"
    data.begin(images.service, guard, image["id"], "saving", rule="upload_image", size=None)
    (images.state / "images").mkdir()
    (images.state / "images" / image["id"]).write_bytes(b"half")
    assert recovery.recover(images.service) == 1
    assert images.show(image["id"])["status"] == "queued"
    assert images.files() == []
    assert images.upload(image["id"], b"whole").status == 204


def test_a_living_writer_is_left_alone(images: Images) -> None:
    from cumulet.image.domain import data
    from cumulet.image.guards import Guard
    from tests.image.support import CALLERS

    image = images.create()
    data.begin(
        images.service, Guard(images.service, CALLERS["member"]), image["id"], "saving", rule="upload_image", size=None
    )
    assert recovery.recover(images.service) == 0
    assert images.show(image["id"])["status"] == "saving"


class GoneClient(io.BytesIO):
    """The body of a client that has left."""

    def read(self, size: int | None = -1) -> bytes:
        raise BodyCut

    read1 = read


def test_a_refusal_that_nobody_waits_for_is_no_failure(images: Images) -> None:
    assert Chunked(images, GoneClient(), length=100).put("/v2/images/none/file") == 404


class LostTransactions:
    """A database that loses the next transactions that commit, as servers do in a deadlock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, images: Images) -> None:
        self.left = 0
        write = images.service.db.write

        @contextmanager
        def lossy() -> Iterator[Any]:
            with write() as connection:
                yield connection
                if self.left:
                    self.left -= 1
                    raise TransactionLost("lost by the test")

        monkeypatch.setattr(images.service.db, "write", lossy)


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch, images: Images) -> LostTransactions:
    return LostTransactions(monkeypatch, images)


class LosesAtItsEnd(io.BytesIO):
    """A body after whose end transactions are lost."""

    def __init__(self, data: bytes, losses: LostTransactions, times: int) -> None:
        super().__init__(data)
        self.losses = losses
        self.times = times

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if not data:
            self.losses.left, self.times = self.times, 0
        return data

    read1 = read


@pytest.mark.parametrize("times", [1, 3])
def test_a_transaction_that_is_lost_does_not_take_the_data_with_it(
    images: Images, losses: LostTransactions, times: int
) -> None:
    image = images.create()
    assert Chunked(images, LosesAtItsEnd(b"streamed", losses, times)).put(image["file"]) == 204
    assert images.data(image["id"]) == b"streamed"


def test_a_database_that_takes_nothing_leaves_nothing(images: Images, losses: LostTransactions) -> None:
    """Never an image of no bytes from a body that is read a second time."""
    image = images.create()
    assert Chunked(images, LosesAtItsEnd(b"streamed", losses, 12)).put(image["file"]) == 503
    assert (images.show(image["id"])["status"], images.files()) == ("queued", [])
    losses.left = 2
    body = images.create(name="again")
    assert images.show(body["id"])["name"] == "again"
