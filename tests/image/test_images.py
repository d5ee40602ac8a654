"""Images: made, shown, changed and deleted (Image API v2, Images)."""

from __future__ import annotations

import uuid

import pytest

from tests.image.support import Images


def test_a_new_image_waits_for_its_data(images: Images) -> None:
    answer = images.call(
        "POST",
        "/v2/images",
        json={"name": "a", "disk_format": "raw", "container_format": "bare", "os_distro": "debian"},
    )
    image = answer.json()
    assert answer.status == 201
    assert answer.headers["location"] == f"http://cloud.test:1/v2/images/{image['id']}"
    assert answer.headers["openstack-image-import-methods"] == "glance-direct,web-download,copy-image"
    assert answer.headers["openstack-image-store-ids"] == "file"
    assert image == {
        "id": image["id"],
        "name": "a",
        "status": "queued",
        "visibility": "shared",
        "owner": "project",
        "disk_format": "raw",
        "container_format": "bare",
        "size": None,
        "virtual_size": None,
        "min_disk": 0,
        "min_ram": 0,
        "protected": False,
        "os_hidden": False,
        "checksum": None,
        "os_hash_algo": None,
        "os_hash_value": None,
        "created_at": image["created_at"],
        "updated_at": image["created_at"],
        "tags": [],
        "os_distro": "debian",
        "self": f"/v2/images/{image['id']}",
        "file": f"/v2/images/{image['id']}/file",
        "schema": "/v2/schemas/image",
    }
    assert images.show(image["id"]) == image


def test_an_image_may_be_next_to_nothing(images: Images) -> None:
    image = images.json("POST", "/v2/images", json={}, status=201)
    assert image["name"] is None
    assert image["disk_format"] is None


def test_digests_of_data_that_is_not_there_are_passed_over(images: Images) -> None:
    for value in ("", None, "sha512"):
        image = images.create(os_hash_algo=value, os_hash_value=value)
        assert (image["os_hash_algo"], image["os_hash_value"]) == (None, None)


def test_a_client_may_choose_the_id_but_not_one_in_use(images: Images) -> None:
    chosen = str(uuid.uuid4())
    assert images.create(id=chosen)["id"] == chosen
    assert images.call("POST", "/v2/images", json={"id": chosen}).status == 409


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"id": "abc"}, 400, "'abc' does not match"),
        ({"name": 5}, 400, "'name'"),
        ({"name": "x" * 256}, 400, "'name'"),
        ({"disk_format": "zzz"}, 400, "'zzz' is not one of"),
        ({"container_format": "zzz"}, 400, "'zzz' is not one of"),
        ({"visibility": "all"}, 400, "'all' is not one of"),
        ({"min_disk": -1}, 400, "'min_disk'"),
        ({"min_ram": 1 << 40}, 400, "'min_ram'"),
        ({"protected": "yes"}, 400, "'protected'"),
        ({"tags": ["x" * 256]}, 400, "tags"),
        ({"foo": 5}, 400, "'foo'"),
        ({"foo": "a\0b"}, 400, "NUL"),
        ({"x" * 256: "a"}, 400, "255"),
        ({"status": "active"}, 403, "'status' is read-only"),
        ({"self": "x"}, 403, "'self' is read-only"),
        ({"checksum": "x"}, 403, "'checksum' is read-only"),
        ({"os_hash_algo": "sha512", "size": 1}, 403, "'size' is read-only"),
        ({"size": "1"}, 400, "'size'"),
        ({"status": "new"}, 400, "'status'"),
        ({"os_hash_algo": 1}, 400, "'os_hash_algo'"),
        ({"os_hash_value": "x" * 129}, 400, "'os_hash_value'"),
        ({"deleted": True}, 400, "'deleted'"),
        ({"locations": []}, 403, "'locations' is reserved"),
        ({"os_glance_foo": "bar"}, 403, "'os_glance_foo' is reserved"),
        ({"visibility": "public"}, 403, "publicize_image"),
        ({"owner": "other"}, 403, "owned by 'other'"),
    ],
)
def test_what_a_client_may_not_say_is_refused_by_name(images: Images, body: dict, status: int, sentence: str) -> None:
    answer = images.call("POST", "/v2/images", json=body, headers={"Accept": "application/json"})
    assert answer.status == status
    assert sentence in answer.json()["message"]


@pytest.mark.parametrize(("body", "sentence"), [(b"{", "Malformed JSON"), (b"", "Body expected"), (b"[]", "object")])
def test_a_body_that_is_not_an_object_is_refused(images: Images, body: bytes, sentence: str) -> None:
    answer = images.call("POST", "/v2/images", data=body)
    assert answer.status == 400
    assert sentence in answer.body.decode()


def test_errors_are_html_unless_json_is_preferred_and_plain_for_who_does_not_say(images: Images) -> None:
    bare = images.call("GET", "/v2/images/nope")
    assert bare.headers["content-type"] == "text/plain; charset=UTF-8"
    assert bare.body == b"404 Not Found\n\nNo image found with ID nope\n\n   "
    page = images.call("GET", "/v2/images/nope", headers={"Accept": "*/*"})
    assert page.headers["content-type"] == "text/html; charset=UTF-8"
    assert b"<h1>404 Not Found</h1>\n  No image found with ID nope<br /><br />" in page.body
    plain = images.call("GET", "/v2/images/nope", headers={"Accept": "application/json"})
    assert plain.json() == {
        "message": "No image found with ID nope<br /><br />\n\n\n",
        "code": "404 Not Found",
        "title": "Not Found",
    }


def test_only_its_project_sees_a_private_image(images: Images) -> None:
    image = images.create(visibility="private")
    assert images.call("GET", image["self"], "reader").status == 200
    assert images.call("GET", image["self"], "admin").status == 200
    assert images.call("GET", image["self"], "other").status == 404
    assert images.call("GET", image["self"], None).status == 401


@pytest.mark.parametrize("visibility", ["public", "community"])
def test_everybody_sees_public_and_community_images_and_nobody_else_changes_them(
    images: Images, visibility: str
) -> None:
    image = images.create("admin", visibility=visibility)
    assert images.call("GET", image["self"], "other").status == 200
    assert images.replace(image["id"], "name", "mine", token="other").status == 403
    assert images.call("DELETE", image["self"], "other").status == 403


def test_a_reader_changes_nothing(images: Images) -> None:
    image = images.create()
    assert images.call("POST", "/v2/images", "reader", json={}).status == 403
    assert images.replace(image["id"], "name", "b", token="reader").status == 403
    assert images.call("DELETE", image["self"], "reader").status == 403


def test_a_token_of_the_whole_system_is_refused(images: Images) -> None:
    assert images.call("GET", "/v2/images", "system").status == 403


def test_patches_of_both_drafts_change_attributes_and_properties(images: Images) -> None:
    image = images.create(a="1", b="2")
    changed = images.patch(
        image["id"],
        {"op": "replace", "path": "/name", "value": "new"},
        {"op": "add", "path": "/c", "value": "3"},
        {"op": "replace", "path": "/a", "value": "one"},
        {"op": "remove", "path": "/b"},
        {"op": "replace", "path": "/tags", "value": ["x", "y", "x"]},
    ).json()
    assert (changed["name"], changed["a"], changed["c"], changed["tags"]) == ("new", "one", "3", ["x", "y"])
    assert "b" not in changed
    draft4 = {"Content-Type": "application/openstack-images-v2.0-json-patch"}
    again = images.json(
        "PATCH", image["self"], json=[{"replace": "/name", "value": "old"}, {"add": "/d", "value": "4"}], headers=draft4
    )
    assert (again["name"], again["d"]) == ("old", "4")
    assert images.call("PATCH", image["self"], json=[{"add": "/d", "value": "5"}], headers=draft4).status == 409


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"op": "replace", "path": "/nope", "value": "x"}, 409),
        ({"op": "remove", "path": "/nope"}, 409),
        ({"op": "remove", "path": "/name"}, 403),
        ({"op": "replace", "path": "/id", "value": "x"}, 403),
        ({"op": "replace", "path": "/size", "value": 1}, 403),
        ({"op": "replace", "path": "/stores", "value": "x"}, 403),
        ({"op": "add", "path": "/os_glance_foo", "value": "x"}, 403),
        ({"op": "replace", "path": "/owner", "value": "other"}, 403),
        ({"op": "replace", "path": "/visibility", "value": "public"}, 403),
        ({"op": "replace", "path": "/min_disk", "value": "x"}, 400),
        ({"op": "add", "path": "/a/b", "value": "x"}, 400),
        ({"op": "add", "path": "a", "value": "x"}, 400),
        ({"op": "add", "path": "/", "value": "x"}, 400),
        ({"op": "add", "path": "/a~2", "value": "x"}, 400),
        ({"op": "add", "path": "/a"}, 400),
        ({"op": "move", "path": "/a", "value": "x"}, 400),
        ({"path": "/a", "value": "x"}, 400),
        ({"op": "add", "value": "x"}, 400),
        ({"op": "add", "path": 5, "value": "x"}, 400),
        ("x", 400),
    ],
)
def test_a_change_that_is_refused_leaves_the_image_alone(images: Images, change: object, status: int) -> None:
    image = images.create()
    assert images.patch(image["id"], {"op": "add", "path": "/first", "value": "x"}, change).status == status
    assert images.show(image["id"]) == image


def test_a_patch_needs_its_media_type(images: Images) -> None:
    image = images.create()
    answer = images.call("PATCH", image["self"], json=[], headers={"Content-Type": "application/json"})
    assert answer.status == 415
    assert "openstack-images-v2.1-json-patch" in answer.headers["accept-patch"]


def test_an_administrator_gives_an_image_to_another_project(images: Images) -> None:
    image = images.create("admin", owner="project")
    assert images.replace(image["id"], "owner", "other", token="admin").json()["owner"] == "other"


def test_formats_are_settled_once_there_is_data(images: Images) -> None:
    image = images.create(disk_format="qcow2")
    assert images.replace(image["id"], "disk_format", "raw").status == 200
    assert images.upload(image["id"], b"x").status == 204
    assert images.replace(image["id"], "disk_format", "qcow2").status == 403


def test_a_protected_image_is_not_deleted(images: Images) -> None:
    image = images.create(protected=True)
    assert images.call("DELETE", image["self"]).status == 403
    assert images.replace(image["id"], "protected", False).status == 200
    assert images.call("DELETE", image["self"]).status == 204
    assert images.call("GET", image["self"]).status == 404
    assert images.call("DELETE", image["self"]).status == 404


def test_tags_are_put_and_taken_away(images: Images) -> None:
    image = images.create()
    assert images.call("PUT", f"{image['self']}/tags/blue").status == 204
    assert images.call("PUT", f"{image['self']}/tags/blue").status == 204
    assert images.show(image["id"])["tags"] == ["blue"]
    assert images.call("DELETE", f"{image['self']}/tags/blue").status == 204
    assert images.call("DELETE", f"{image['self']}/tags/blue").status == 404
    assert images.call("PUT", f"{image['self']}/tags/{'x' * 256}").status == 400
    assert images.call("PUT", "/v2/images/nope/tags/blue").status == 404
    assert images.call("PUT", f"{image['self']}/tags/blue", "reader").status == 403


def test_an_image_is_deactivated_and_reactivated(images: Images) -> None:
    image = images.active()
    assert images.call("POST", f"{image['self']}/actions/deactivate").status == 204
    assert images.call("POST", f"{image['self']}/actions/deactivate").status == 204
    assert images.show(image["id"])["status"] == "deactivated"
    assert images.call("GET", image["file"]).status == 403
    assert images.call("GET", image["file"], "admin").status == 200
    assert images.call("POST", f"{image['self']}/actions/reactivate").status == 204
    assert images.data(image["id"]) == b"data"
    waiting = images.create()
    assert images.call("POST", f"{waiting['self']}/actions/deactivate").status == 403
    assert images.call("POST", f"{image['self']}/actions/deactivate", "other").status == 404


def test_quotas_of_one_image(make_images) -> None:
    images = make_images("[DEFAULT]\nimage_property_quota = 2\nimage_tag_quota = 1\n")
    assert images.call("POST", "/v2/images", json={"a": "1", "b": "2", "c": "3"}).status == 413
    image = images.create(a="1", b="2")
    assert images.patch(image["id"], {"op": "add", "path": "/c", "value": "3"}).status == 413
    assert images.call("PUT", f"{image['self']}/tags/one").status == 204
    assert images.call("PUT", f"{image['self']}/tags/two").status == 413


def test_paths_and_methods_that_are_not_there(images: Images) -> None:
    assert images.call("GET", "/v2/xyz").status == 404
    answer = images.call("PUT", "/v2/images")
    assert answer.status == 405
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


def test_a_body_where_none_belongs_is_refused(images: Images) -> None:
    image = images.active()
    path = f"/v2/images/{image['id']}"
    for method, at in (("DELETE", path), ("POST", f"{path}/actions/deactivate"), ("PUT", f"{path}/tags/x")):
        answer = images.call(method, at, "admin", json={"force": True})
        assert (answer.status, b"A body is not expected" in answer.body) == (400, True)
    shown = images.show(image["id"])
    assert (shown["status"], shown["tags"]) == ("active", [])
