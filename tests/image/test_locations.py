"""Locations: patches of an image's own, and `/v2/images/{id}/locations`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.image.support import Images
from tests.image.web import Web

DATA = b"elsewhere" * 10_000
SHA512 = hashlib.sha512(DATA).hexdigest()
ONE_STORE = """
[DEFAULT]
enabled_backends = files:file, web:http
do_secure_hash = {hash}
http_retries = 1
[import_filtering_opts]
allowed_hosts = [127.0.0.1]
allowed_ports = [{port}]
"""


@pytest.fixture
def url(web: Web) -> str:
    web.files["/disk.raw"] = DATA
    return f"{web.url}/disk.raw"


def place(url: str, **rest: Any) -> dict[str, Any]:
    return {"url": url, "metadata": {}, **rest}


class TestPatches:
    def test_a_queued_image_becomes_active_with_its_location(self, stores: Images, url: str) -> None:
        image = stores.create("admin")
        validation = {"os_hash_algo": "sha512", "os_hash_value": SHA512, "checksum": hashlib.md5(DATA).hexdigest()}
        answer = stores.replace(image["id"], "locations", [place(url, validation_data=validation)], "admin")
        assert answer.status == 200, answer.body
        done = answer.json()
        assert (done["status"], done["size"], done["os_hash_value"]) == ("active", len(DATA), SHA512)
        assert done["locations"] == [{"url": url, "metadata": {"store": "web"}}]
        assert done["stores"] == "web"
        assert stores.data(image["id"], "admin") == DATA

    def test_locations_are_added_and_removed(self, stores: Images, web: Web, url: str) -> None:
        web.files["/other"] = DATA
        image = stores.active(DATA, "admin")
        add = {"op": "add", "path": "/locations/-", "value": place(url)}
        assert len(stores.patch(image["id"], add, token="admin").json()["locations"]) == 2
        assert stores.patch(image["id"], add, token="admin").status == 400
        first = {"op": "add", "path": "/locations/0", "value": place(web.url + "/other")}
        changed = stores.patch(image["id"], first, token="admin").json()
        assert [one["metadata"]["store"] for one in changed["locations"]] == ["web", "fast", "web"]
        for left in (2, 1):
            answer = stores.patch(image["id"], {"op": "remove", "path": "/locations/1"}, token="admin")
            assert len(answer.json()["locations"]) == left
        assert stores.patch(image["id"], {"op": "remove", "path": "/locations/0"}, token="admin").status == 403
        stores.run_jobs()
        assert stores.files() == []
        assert stores.data(image["id"], "admin") == DATA

    @pytest.mark.parametrize(
        ("target", "status"),
        [
            ("file:///etc/passwd", 400),
            ("http://169.254.169.254/latest", 400),
            ("http://127.0.0.1:22/", 400),
            ("rbd://pool/image", 400),
            ("cinder://volume", 400),
            ("{web}/missing", 400),
        ],
    )
    def test_places_that_are_refused(self, stores: Images, web: Web, target: str, status: int) -> None:
        image = stores.create("admin")
        answer = stores.replace(image["id"], "locations", [place(target.format(web=web.url))], "admin")
        assert answer.status == status, answer.body
        assert stores.show(image["id"], "admin")["status"] == "queued"

    def test_a_file_of_the_store_is_no_location(self, stores: Images) -> None:
        """Else anybody could take another project's data for his own image."""
        other = stores.active(DATA, "admin")
        image = stores.create("admin")
        stolen = f"file://{stores.state}/images/fast/{other['id']}"
        assert stores.replace(image["id"], "locations", [place(stolen)], "admin").status == 400

    @pytest.mark.parametrize(
        "validation",
        [
            {"os_hash_algo": "md5", "os_hash_value": "0" * 32},
            {"os_hash_algo": "sha512", "os_hash_value": "zz"},
            {"os_hash_algo": "sha512", "os_hash_value": SHA512, "checksum": "z" * 32},
        ],
    )
    def test_wrong_checksums_are_refused(self, stores: Images, url: str, validation: Any) -> None:
        image = stores.create("admin")
        answer = stores.replace(image["id"], "locations", [place(url, validation_data=validation)], "admin")
        assert answer.status == 409, answer.body

    def test_only_as_many_as_the_quota(self, make_images: Callable[[str], Images], web: Web, url: str) -> None:
        images = make_images(
            f"[DEFAULT]\nshow_multiple_locations = True\nenabled_backends = a:file, w:http\nimage_location_quota = 2\n"
            f"[import_filtering_opts]\nallowed_hosts = [127.0.0.1]\nallowed_ports = [{web.port}]\n"
        )
        web.files["/other"] = DATA
        image = images.active(DATA, "admin")
        statuses = [
            images.patch(image["id"], {"op": "add", "path": "/locations/-", "value": place(one)}, token="admin").status
            for one in (url, web.url + "/other")
        ]
        assert statuses == [200, 413]

    def test_they_are_neither_shown_nor_changed_unless_configured(self, images: Images, url: str) -> None:
        image = images.active(DATA, "admin")
        assert "locations" not in image
        add = {"op": "add", "path": "/locations/-", "value": place(url)}
        assert images.patch(image["id"], add, token="admin").status == 403

    def test_a_member_may_not_change_what_is_not_his(self, stores: Images, url: str) -> None:
        image = stores.active(DATA, "admin", visibility="public")
        add = {"op": "add", "path": "/locations/-", "value": place(url)}
        assert stores.patch(image["id"], add).status == 403


class TestAdding:
    """Version 2.17."""

    @pytest.fixture(params=["True", "False"])
    def images(self, request: pytest.FixtureRequest, make_images: Callable[[str], Images], web: Web) -> Images:
        return make_images(ONE_STORE.format(hash=request.param, port=web.port))

    @pytest.fixture
    def hashing(self, make_images: Callable[[str], Images], web: Web) -> Images:
        return make_images(ONE_STORE.format(hash=True, port=web.port))

    def add(self, images: Images, image_id: str, url: str, validation: Any = None, status: int = 202) -> Any:
        body = {"url": url} | ({"validation_data": validation} if validation else {})
        images.json("POST", f"/v2/images/{image_id}/locations", "service", json=body, status=status)
        images.run_jobs()
        return images.show(image_id, "admin")

    def test_data_that_lies_elsewhere_is_hashed(self, images: Images, url: str) -> None:
        image = images.create("admin")
        done = self.add(images, image["id"], url)
        hashed = images.service.conf.do_secure_hash
        assert (done["status"], done["size"]) == ("active", len(DATA))
        assert done["os_hash_value"] == (SHA512 if hashed else None)
        assert done["checksum"] == (hashlib.md5(DATA).hexdigest() if hashed else None)
        assert images.data(image["id"], "admin") == DATA
        [listed] = images.json("GET", f"/v2/images/{image['id']}/locations", "service")
        assert listed == {"url": url, "metadata": {"store": "web"}}

    def test_the_checksum_that_is_given_is_kept_or_checked(self, images: Images, url: str) -> None:
        image = images.create("admin")
        done = self.add(images, image["id"], url, {"os_hash_algo": "sha512", "os_hash_value": SHA512})
        assert (done["status"], done["os_hash_value"]) == ("active", SHA512)
        wrong = images.create("admin")
        done = self.add(images, wrong["id"], url, {"os_hash_algo": "sha512", "os_hash_value": "0" * 128})
        hashed = images.service.conf.do_secure_hash
        assert (done["status"], done["os_hash_value"]) == (("queued", None) if hashed else ("active", "0" * 128))

    def test_data_that_breaks_off(self, hashing: Images, web: Web, url: str) -> None:
        """Without a checksum the image is active all the same, as in the original."""
        web.broken["/disk.raw"] = 500
        image, checked = hashing.create("admin"), hashing.create("admin")
        done = self.add(hashing, image["id"], url)
        assert (done["status"], done["os_hash_value"]) == ("active", None)
        done = self.add(hashing, checked["id"], url, {"os_hash_algo": "sha512", "os_hash_value": SHA512})
        assert (done["status"], done["os_hash_value"]) == ("queued", None)

    @pytest.mark.parametrize(
        ("target", "status"),
        [
            ("file:///etc/passwd", 400),
            ("http://169.254.169.254/", 400),
            ("swift+config://x/y", 400),
            ("nothing", 400),
        ],
    )
    def test_places_that_are_refused(self, hashing: Images, target: str, status: int) -> None:
        image = hashing.create("admin")
        assert self.add(hashing, image["id"], target, status=status)["status"] == "queued"

    @pytest.mark.parametrize(
        "validation",
        [
            {"os_hash_algo": "sha512"},
            {"os_hash_algo": "crc", "os_hash_value": "00"},
            {"os_hash_algo": "sha512", "os_hash_value": "00"},
            {"os_hash_algo": "sha512", "os_hash_value": "x" * 128},
        ],
    )
    def test_checksums_that_cannot_be(self, hashing: Images, url: str, validation: Any) -> None:
        image = hashing.create("admin")
        self.add(hashing, image["id"], url, validation, status=400)

    def test_who_may(self, hashing: Images, url: str) -> None:
        image = hashing.create()
        path = f"/v2/images/{image['id']}/locations"
        assert hashing.call("GET", path).status == 403
        assert hashing.call("POST", path, "other", json={"url": url}).status == 404
        hashing.json("POST", path, json={"url": url}, status=202)
        hashing.run_jobs()
        assert hashing.show(image["id"])["status"] == "active"
        hashing.json("POST", path, json={"url": url}, status=409)
