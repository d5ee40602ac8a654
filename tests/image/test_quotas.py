"""Limits that Identity has for projects, and storage counted where many write at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from tests.image.support import OCTETS, Images

MIB = 1 << 20


class FakeIdentity:
    """As much of Identity as the limits need."""

    def __init__(self) -> None:
        self.registered: dict[str, int] = {}
        self.own: dict[str, dict[str, int]] = {}
        self.logins = 0
        self.status = 200

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
        headers = [("Content-Type", "application/json")]
        if path == "/v3/auth/tokens":
            self.logins += 1
            url = "http://identity.test/v3"
            endpoints = [{"interface": "internal", "url": url, "region_id": "RegionOne"}]
            start_response("201 Created", [*headers, ("X-Subject-Token", "glance")])
            return [msgspec.json.encode({"token": {"catalog": [{"type": "identity", "endpoints": endpoints}]}})]
        start_response(f"{self.status} whatever", headers)
        return [msgspec.json.encode(self.answer(path, query))]

    def answer(self, path: str, query: dict[str, str]) -> Any:
        if path == "/v3/services":
            assert query == {"type": "image", "name": "glance"}
            return {"services": [{"id": "service"}]}
        assert query["service_id"] == "service"
        if path == "/v3/registered_limits":
            limits = self.registered.items()
            return {"registered_limits": [{"resource_name": name, "default_limit": limit} for name, limit in limits]}
        assert path == "/v3/limits"
        limits = self.own.get(query["project_id"], {}).items()
        return {"limits": [{"resource_name": name, "resource_limit": limit} for name, limit in limits]}


@pytest.fixture
def identity() -> FakeIdentity:
    return FakeIdentity()


@pytest.fixture
def images(make_images: Callable[[str], Images], identity: FakeIdentity) -> Images:
    made = make_images("[DEFAULT]\nuse_keystone_limits = True\n")
    made.env.passwords_file.write_bytes(msgspec.json.encode({"glance": "secret"}))
    made.env.transport.local["http://identity.test"] = identity
    made.env.transport.local[made.env.auth_url.removesuffix("/v3")] = identity
    return made


def test_the_number_of_images(images: Images, identity: FakeIdentity) -> None:
    identity.registered = {"image_count_total": 1}
    identity.own = {"other": {"image_count_total": 2}}
    images.create()
    refusal = images.json("POST", "/v2/images", json={}, status=413)
    assert "image_count_total is over limit of 1" in refusal["message"]
    images.create("other")
    images.create("other")
    images.json("POST", "/v2/images", "other", json={}, status=413)
    assert identity.logins == 1
    usage = images.json("GET", "/v2/info/usage", "other")["usage"]
    assert usage["image_count_total"] == {"usage": 2, "limit": 2}
    assert usage["image_size_total"] == {"usage": 0, "limit": 0}


def test_the_size_of_images(images: Images, identity: FakeIdentity) -> None:
    identity.registered = {"image_size_total": 2}
    image = images.create()
    assert images.upload(image["id"], bytes(3 * MIB)).status == 413
    assert images.show(image["id"])["status"] == "queued"
    assert images.upload(image["id"], bytes(2 * MIB)).status == 204
    assert images.upload(images.create()["id"], bytes(MIB)).status == 413
    assert images.json("GET", "/v2/info/usage")["usage"]["image_size_total"] == {"usage": 2, "limit": 2}


def test_the_size_of_what_is_staged(images: Images, identity: FakeIdentity) -> None:
    identity.registered = {"image_stage_total": 1, "image_size_total": -1, "image_count_uploading": -1}
    statuses = []
    for _ in range(2):
        path = f"/v2/images/{images.create()['id']}/stage"
        statuses.append(images.call("PUT", path, data=bytes(MIB), headers=OCTETS).status)
    assert statuses == [204, 413]


def test_the_number_of_transfers(images: Images, identity: FakeIdentity) -> None:
    identity.registered = {"image_count_uploading": 1}
    first, second = images.create(), images.create()
    assert images.call("PUT", f"/v2/images/{first['id']}/stage", data=b"x", headers=OCTETS).status == 204
    assert images.upload(second["id"], b"x").status == 413
    images.call("DELETE", f"/v2/images/{first['id']}")
    assert images.upload(second["id"], b"x").status == 204


def test_without_identity_nothing_is_taken(images: Images, identity: FakeIdentity) -> None:
    identity.status = 500
    images.json("POST", "/v2/images", json={}, status=503)


def test_many_at_once_do_not_exceed_the_storage_quota(make_images: Callable[[str], Images]) -> None:
    images = make_images("[DEFAULT]\nuser_storage_quota = 5MB\n")
    made = [images.create() for _ in range(12)]
    statuses: list[int] = []

    def upload(image: Any) -> None:
        statuses.append(images.upload(image["id"], bytes(MIB)).status)

    threads = [threading.Thread(target=upload, args=(image,)) for image in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [204] * 5 + [413] * 7
    assert len(images.files()) == 5
    states = sorted(images.show(image["id"])["status"] for image in made)
    assert states == ["active"] * 5 + ["queued"] * 7


def test_many_at_once_do_not_exceed_the_number_of_images(images: Images, identity: FakeIdentity) -> None:
    identity.registered = {"image_count_total": 3}
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(images.call("POST", "/v2/images", json={}).status))
        for _ in range(9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] * 3 + [413] * 6
