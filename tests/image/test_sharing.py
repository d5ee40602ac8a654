"""Members of shared images (Image API v2, Sharing)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.image.support import Images


def share(images: Images, image_id: str, member: str, *, status: int = 200, token: str = "member") -> Any:
    return images.json("POST", f"/v2/images/{image_id}/members", token, json={"member": member}, status=status)


def answer(images: Images, image_id: str, member: str, text: Any, *, status: int = 200, token: str = "other") -> Any:
    path = f"/v2/images/{image_id}/members/{member}"
    return images.json("PUT", path, token, json={"status": text}, status=status)


def test_an_image_is_shared_and_accepted(images: Images) -> None:
    image = images.active(b"shared")
    assert images.call("GET", image["file"], "other").status == 404
    member = share(images, image["id"], "other")
    assert member == {
        "member_id": "other",
        "image_id": image["id"],
        "status": "pending",
        "created_at": member["created_at"],
        "updated_at": member["updated_at"],
        "schema": "/v2/schemas/member",
    }
    assert images.show(image["id"], "other")["id"] == image["id"]
    assert images.data(image["id"], "other") == b"shared"
    assert answer(images, image["id"], "other", "accepted")["status"] == "accepted"
    listed = images.json("GET", "/v2/images?visibility=shared", "other")["images"]
    assert [one["id"] for one in listed] == [image["id"]]
    assert images.call("DELETE", f"/v2/images/{image['id']}/members/other").status == 204
    assert images.call("GET", f"/v2/images/{image['id']}", "other").status == 404


def test_who_sees_and_answers_for_whom(images: Images) -> None:
    image = images.create()
    for member in ("other", "third"):
        share(images, image["id"], member)
    path = f"/v2/images/{image['id']}/members"
    assert [one["member_id"] for one in images.json("GET", path)["members"]] == ["other", "third"]
    assert [one["member_id"] for one in images.json("GET", path, "other")["members"]] == ["other"]
    assert images.json("GET", f"{path}/other", "other")["status"] == "pending"
    images.json("GET", f"{path}/third", "other", status=404)
    answer(images, image["id"], "other", "accepted", token="member", status=403)
    answer(images, image["id"], "third", "accepted", token="other", status=404)
    answer(images, image["id"], "other", "accepted", token="admin")
    share(images, image["id"], "fourth", token="other", status=403)
    assert images.call("DELETE", f"{path}/other", "other").status == 403
    images.json("GET", path, "service", status=200)
    images.json("GET", path.replace(image["id"], "none"), status=404)


@pytest.mark.parametrize("text", ["", "yes", None, 1, "ACCEPTED"])
def test_answers_that_are_none(images: Images, text: Any) -> None:
    image = images.create()
    share(images, image["id"], "other")
    answer(images, image["id"], "other", text, status=400)


@pytest.mark.parametrize("body", [{}, {"member": ""}, {"member": 1}, {"member": "x" * 256}, [], "other"])
def test_members_that_are_none(images: Images, body: Any) -> None:
    image = images.create()
    images.json("POST", f"/v2/images/{image['id']}/members", json=body, status=400)


def test_a_member_is_there_once_and_few_are_allowed(make_images: Callable[[str], Images]) -> None:
    images = make_images("[DEFAULT]\nimage_member_quota = 2\n")
    image = images.create()
    share(images, image["id"], "other")
    share(images, image["id"], "other", status=409)
    share(images, image["id"], "third")
    share(images, image["id"], "fourth", status=413)


@pytest.mark.parametrize("visibility", ["private", "public", "community"])
def test_only_shared_images_have_members(images: Images, visibility: str) -> None:
    image = images.create("admin", visibility=visibility)
    share(images, image["id"], "other", token="admin", status=403)
    images.json("GET", f"/v2/images/{image['id']}/members", "admin", status=403)


def test_members_of_an_image_that_becomes_private_lose_sight_of_it(images: Images) -> None:
    image = images.create()
    share(images, image["id"], "other")
    images.replace(image["id"], "visibility", "private")
    assert images.call("GET", f"/v2/images/{image['id']}", "other").status == 404
    images.replace(image["id"], "visibility", "shared")
    assert images.show(image["id"], "other")
