"""Lists of images: filters, operators, sorting, paging and who sees what (Image API v2, List images)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.image.support import Images


def names(images: Images, query: str = "", token: str = "member") -> list[str]:
    return [image["name"] for image in images.json("GET", f"/v2/images?{query}", token)["images"]]


@pytest.fixture
def five(images: Images) -> dict[str, Any]:
    """Images a to e of one project, in that order, of 1 to 5 bytes."""
    made = {}
    for number, name in enumerate("abcde", 1):
        image = images.create(name=name, kind="odd" if number % 2 else "even", tags=["all", name])
        assert images.upload(image["id"], b"x" * number).status == 204
        made[name] = images.show(image["id"])
    return made


def test_the_newest_comes_first_and_pages_follow_each_other(images: Images, five: dict[str, Any]) -> None:
    page = images.json("GET", "/v2/images?limit=2&kind=odd")
    assert [image["name"] for image in page["images"]] == ["e", "c"]
    assert page["first"] == "/v2/images?limit=2&kind=odd"
    assert page["schema"] == "/v2/schemas/images"
    second = images.json("GET", page["next"])
    assert [image["name"] for image in second["images"]] == ["a"]
    assert "next" not in second
    assert page["images"][0] == five["e"]


def test_a_list_of_none(images: Images) -> None:
    assert images.json("GET", "/v2/images") == {
        "images": [],
        "first": "/v2/images",
        "schema": "/v2/schemas/images",
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("name=a", "a"),
        ("name=in:a,c", "ca"),
        ('name=in:"a","c,d"', "a"),
        ("name=eq:b", "b"),
        ("tag=c", "c"),
        ("tag=all&tag=d", "d"),
        ("kind=even", "db"),
        ("kind=even&tag=b", "b"),
        ("size=3", "c"),
        ("size_min=2&size_max=4", "dcb"),
        ("size_max=1&status=active", "a"),
        ("status=in:queued,saving", ""),
        ("disk_format=raw&container_format=bare", "edcba"),
        ("disk_format=in:qcow2,iso", ""),
        ("owner=project", "edcba"),
        ("protected=true", ""),
        ("os_hidden=true", ""),
        ("visibility=shared", "edcba"),
        ("visibility=private", ""),
        ("nonsense=x", ""),
        ("sort=name:asc", "abcde"),
        ("sort=size:desc,name:asc", "edcba"),
        ("sort_key=name&sort_dir=asc", "abcde"),
        ("sort_key=name&sort_key=size&sort_dir=desc&sort_dir=asc", "edcba"),
        ("limit=0", ""),
        ("created_at=gte:2000-01-01T00:00:00Z", "edcba"),
        ("created_at=lt:2000-01-01T00:00:00Z", ""),
        ("updated_at=neq:2000-01-01T00:00:00Z", "edcba"),
    ],
)
def test_filters_and_sorting(images: Images, five: dict[str, Any], query: str, expected: str) -> None:
    assert names(images, quote(query, safe="=&:,")) == list(expected)


def test_filters_by_id_checksum_and_hash(images: Images, five: dict[str, Any]) -> None:
    one = five["b"]
    assert names(images, f"id=in:{one['id']},{five['d']['id']}") == ["d", "b"]
    assert names(images, f"checksum={one['checksum']}") == ["b"]
    assert names(images, f"os_hash_value={one['os_hash_value']}") == ["b"]


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("key", ["name", "size", "status", "created_at", "disk_format", "id"])
def test_paging_neither_loses_nor_repeats(images: Images, five: dict[str, Any], key: str, direction: str) -> None:
    images.create(name=None)
    images.create(name=None, disk_format=None)
    url: str | None = f"/v2/images?limit=2&sort={key}:{direction}"
    seen: list[str] = []
    while url:
        page = images.json("GET", url)
        seen += [image["id"] for image in page["images"]]
        url = page.get("next")
    assert len(seen) == len(set(seen)) == 7


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("limit=x", "limit param must be an integer"),
        ("limit=-1", "limit param must be positive"),
        ("marker=nope", "No image found with ID nope"),
        ("sort_key=owner", "Invalid sort key: owner"),
        ("sort=name:up", "Invalid sort direction: up"),
        ("sort=name&sort_key=size", "cannot be combined"),
        ("sort_key=name&sort_dir=asc&sort_dir=desc", "Number of sort dirs"),
        ("visibility=some", "Invalid visibility value: some"),
        ("member_status=some", "Invalid status: some"),
        ("size_min=x", "non-numeric"),
        ("size=x", "must be an integer"),
        ("protected=maybe", "for 'protected' filter"),
        ("os_hidden=maybe", "for 'os_hidden' filter"),
        ("created_at=yesterday", "ISO 8601"),
        ("created_at=about:2020-01-01T00:00:00Z", "unknown operator"),
        ("name=like:x", "unknown operator"),
        ("name=in:%22a", "quote is not closed"),
        ("name=in:a%22b%22", "no comma before"),
        ("changes-since=2020-01-01", "no longer available"),
        ("&".join(f"p{n}=1" for n in range(100)), "At most 64"),
        ("&".join(["tag=a"] * 100), "At most 64"),
        ("name=%ff", "UTF-8"),
    ],
)
def test_what_cannot_be_asked_is_refused(images: Images, query: str, sentence: str) -> None:
    answer = images.call("GET", f"/v2/images?{query}")
    assert answer.status == 400
    assert sentence in answer.body.decode()


def test_hidden_images_are_only_listed_when_asked_for(images: Images) -> None:
    image = images.create(name="h", os_hidden=True)
    assert names(images) == []
    assert names(images, "os_hidden=true") == ["h"]
    assert images.replace(image["id"], "os_hidden", False).status == 200
    assert names(images) == ["h"]


def test_who_sees_what(images: Images) -> None:
    for visibility in ("public", "community", "private", "shared"):
        images.create("admin", name=visibility, visibility=visibility)
    assert names(images, "", "other") == ["public"]
    assert names(images, "visibility=community", "other") == ["community"]
    assert sorted(names(images, "visibility=all", "other")) == ["community", "public"]
    assert names(images, "visibility=private", "other") == []
    assert sorted(names(images, "", "admin")) == ["community", "private", "public", "shared"]
    images.create("member", name="mine", visibility="private")
    assert sorted(names(images, "", "admin")) == ["community", "mine", "private", "public", "shared"]


def test_a_member_lists_what_it_has_accepted(images: Images) -> None:
    image = images.create(name="s")
    images.json("POST", f"{image['self']}/members", json={"member": "other"})
    assert names(images, "", "other") == []
    assert names(images, "member_status=pending", "other") == ["s"]
    assert names(images, "member_status=all", "other") == ["s"]
    images.json("PUT", f"{image['self']}/members/other", "other", json={"status": "accepted"})
    assert names(images, "", "other") == ["s"]
    assert names(images, "visibility=shared", "other") == ["s"]
    assert names(images, "", "third") == []


def test_a_reader_of_no_project_lists_nothing_private(images: Images) -> None:
    images.create(name="s")
    assert images.call("GET", "/v2/images", "system").status == 403


def test_an_operators_rule_that_looks_at_other_attributes_is_heeded_row_by_row(make_images) -> None:
    images = make_images("")
    rules = "get_image: \"'seen':%(name)s or role:admin\"\n"
    (images.env.paths.config / "glance").mkdir()
    (images.env.paths.config / "glance" / "policy.yaml").write_text(rules)
    images.service.policy._checked = 0  # look at the file now, not in a second
    images.create(name="seen")
    images.create(name="unseen")
    assert names(images) == ["seen"]


def test_the_most_rows_of_a_list(make_images) -> None:
    images = make_images("[DEFAULT]\nlimit_param_default = 1\napi_limit_max = 2\n")
    for name in "abc":
        images.create(name=name)
    assert names(images) == ["c"]
    assert names(images, "limit=10") == ["c", "b"]


def test_the_number_of_statements_does_not_depend_on_the_length(images: Images) -> None:
    import sqlalchemy as sa

    counted: list[str] = []
    for number in range(3):
        images.create(name=str(number), a="1", tags=["x"])

    def count(connection, cursor, statement, *rest) -> None:
        counted.append(statement)

    for engine in images.service.db.engines:
        sa.event.listen(engine, "before_cursor_execute", count)

    names(images)
    few = len(counted)
    for number in range(20):
        images.create(name=str(number), a="1", tags=["x"])
    counted.clear()
    assert len(names(images)) == 23
    assert len(counted) == few == 1
