"""Property protections ([DEFAULT] property_protection_file), by roles and by policies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cumulet.image.protections import ProtectionError
from tests.image.support import Images

ROLES = """
[^x_billing_.*]
create = admin
read = admin,member
update = admin
delete = admin
[^x_secret$]
create = admin
read = admin
update = !
delete = !
[.*]
create = @
read = @
update = @
delete = @
"""
POLICIES = """
[^x_billing_.*]
create = only_admins
read = @
update = only_admins
delete = only_admins
[.*]
create = @
read = @
update = @
delete = @
"""


@pytest.fixture
def protected(make_images: Callable[[str], Images], tmp_path: Path) -> Images:
    path = tmp_path / "protections.conf"
    path.write_text(ROLES)
    return make_images(f"[DEFAULT]\nproperty_protection_file = {path}\n")


def body(**properties: str) -> dict[str, Any]:
    return {"disk_format": "raw", "container_format": "bare", "visibility": "public", **properties}


def test_who_makes_a_property(protected: Images) -> None:
    protected.json("POST", "/v2/images", json={"x_billing_code": "1"}, status=403)
    image = protected.json("POST", "/v2/images", "admin", json=body(x_billing_code="1", own="2"), status=201)
    add = {"op": "add", "path": "/x_billing_other", "value": "x"}
    mine = protected.create(own="1")
    assert protected.patch(mine["id"], add).status == 403
    assert protected.patch(image["id"], add, token="admin").status == 200


def test_who_reads_a_property(protected: Images) -> None:
    image = protected.json("POST", "/v2/images", "admin", json=body(x_billing_code="1", x_secret="s"), status=201)
    seen = {token: protected.show(image["id"], token) for token in ("admin", "member", "reader")}
    assert [("x_billing_code" in one, "x_secret" in one) for one in seen.values()] == [
        (True, True),
        (True, False),
        (False, False),
    ]
    for token in ("admin", "member", "reader"):
        assert protected.json("GET", "/v2/images", token)["images"] == [seen[token]]


def test_who_changes_and_removes_a_property(protected: Images) -> None:
    image = protected.create("admin", x_billing_code="1", x_secret="s", own="2")
    for name, token, status in (("x_billing_code", "admin", 200), ("x_secret", "admin", 403), ("own", "admin", 200)):
        assert protected.replace(image["id"], name, "new", token).status == status, name
        answer = protected.patch(image["id"], {"op": "remove", "path": f"/{name}"}, token=token)
        assert answer.status == status, name


def test_by_policies(make_images: Callable[[str], Images], tmp_path: Path) -> None:
    path = tmp_path / "protections.conf"
    path.write_text(POLICIES)
    state = tmp_path / "0" / "etc" / "glance"
    state.mkdir(parents=True)
    (state / "policy.yaml").write_text('"only_admins": "role:admin"\n')
    images = make_images(f"[DEFAULT]\nproperty_protection_file = {path}\nproperty_protection_rule_format = policies\n")
    images.json("POST", "/v2/images", json={"x_billing_code": "1"}, status=403)
    images.json("POST", "/v2/images", "admin", json={"x_billing_code": "1"}, status=201)


@pytest.mark.parametrize(
    "text",
    [
        "[.*]\ncreate = @\n",
        "[(]\ncreate=@\nread=@\nupdate=@\ndelete=@\n",
        "[a]\ncreate=@,!\nread=@\nupdate=@\ndelete=@\n",
        "x",
    ],
)
def test_a_file_that_cannot_be_read_ends_the_start(
    make_images: Callable[[str], Images], tmp_path: Path, text: str
) -> None:
    path = tmp_path / "protections.conf"
    path.write_text(text)
    with pytest.raises(ProtectionError):
        make_images(f"[DEFAULT]\nproperty_protection_file = {path}\n")
