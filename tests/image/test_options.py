"""glance-api.conf as the install guides write it, glance-manage, and documents that depend on options."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from sqlalchemy.engine import make_url

from cumulet.cli import glance_manage
from cumulet.image import app
from cumulet.image.handlers.schemas import DOCUMENTS
from cumulet.kernel.environment import Environment
from cumulet.kernel.settings import Settings
from tests.image.support import Images

GUIDES = Path(__file__).parent.parent / "kernel" / "guides"


class TestGuides:
    """The guides' files word for word, but for the database server."""

    @pytest.mark.parametrize(
        ("name", "connection"),
        [
            ("003-glance-api.conf", "mysql://glance:GLANCE_DBPASS@127.1/glance"),
            ("004-glance-api.conf", "mysql+pymysql://glance:glance123@openstack-vip.magedu.local/glance"),
        ],
    )
    def test_its_file_is_accepted(self, tmp_path: Path, database_url: str, name: str, connection: str) -> None:
        text = (GUIDES / name).read_text()
        assert connection in text
        environment = Environment(Settings(state_dir=str(tmp_path)))
        environment.paths.make()
        (environment.paths.config / "glance-api.conf").write_text(text.replace(connection, database_url))
        image = app.build_service(environment)
        assert image.db.url.database == make_url(database_url).database
        assert str(image.stores.by_name["file"].directory) == "/var/lib/glance/images"  # type: ignore[attr-defined]
        assert image.stores.multiple is False
        image.db.close()


class TestManage:
    @pytest.fixture
    def manage(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
        def run(*words: str) -> tuple[int, str]:
            with pytest.raises(SystemExit) as end:
                glance_manage.main(["--state-dir", str(tmp_path), *words])
            printed = capsys.readouterr()
            return int(end.value.code or 0), printed.out + printed.err

        return run

    def test_tables_are_made_in_the_words_of_every_release(self, manage: Any) -> None:
        assert manage("db", "version") == (0, "none\n")
        assert manage("db", "check")[0] == 3
        for words in (("db", "sync"), ("db_sync",), ("db", "expand"), ("db", "contract"), ("db_upgrade", "heads")):
            assert manage(*words)[0] == 0, words
        assert manage("db_version") == (0, f"{app.SCHEMA.head}\n")
        assert manage("db", "check")[0] == 0

    def test_metadata_definitions(self, manage: Any, tmp_path: Path) -> None:
        status, said = manage("db_load_metadefs")
        assert (status, " are new" in said) == (0, True)
        assert "0 namespaces are new" in manage("db", "load_metadefs")[1]
        out = tmp_path / "out"
        out.mkdir()
        assert manage("db_export_metadefs", str(out))[0] == 0
        assert manage("db", "unload_metadefs")[0] == 0
        assert manage("db_load_metadefs", str(out), "true", "false", "false")[0] == 0
        (out / "broken.json").write_text("{")
        status, said = manage("db", "load_metadefs", "--path", str(out))
        assert (status, "broken.json" in said) == (1, True)

    def test_purging(self, manage: Any) -> None:
        assert manage("db", "purge", "--age_in_days", "0") == (0, "Purged 0 rows.\n")
        assert manage("db", "purge_images_table", "--age_in_days", "1")[0] == 0
        assert manage("db", "purge", "--age_in_days", "-1")[0] == 1

    def test_a_file_that_is_named_must_be_there(self, manage: Any, tmp_path: Path) -> None:
        assert manage("--config-file", str(tmp_path / "none"), "db", "sync")[0] == 1
        (tmp_path / "own.conf").write_text(f"[database]\nconnection = sqlite:///{tmp_path}/own.sqlite\n")
        assert manage("--config-file", str(tmp_path / "own.conf"), "db", "sync")[0] == 0
        assert (tmp_path / "own.sqlite").stat().st_size > 0


class TestVersions:
    def listed(self, images: Images, path: str = "/versions", status: int = 200) -> list[str]:
        found = images.json("GET", path, None, status=status)["versions"]
        assert {one["links"][0]["href"] for one in found} == {"http://cloud.test:1/v2/"}
        assert [one["id"] for one in found if one["status"] == "CURRENT"] == [
            max((one["id"] for one in found), key=lambda name: tuple(map(int, name[1:].split("."))))
        ]
        return [one["id"] for one in found]

    def test_what_is_listed_depends_on_what_is_configured(
        self, images: Images, make_images: Callable[[str], Images], tmp_path: Path
    ) -> None:
        plain = make_images("[glance_store]\nstores = file\n")
        cached = make_images(f"[DEFAULT]\nimage_cache_dir = {tmp_path}/cache\n")
        assert "v2.13" not in self.listed(plain)
        assert "v2.9" in self.listed(plain)
        assert {"v2.17", "v2.15", "v2.13", "v2.8", "v2.0"} <= set(self.listed(images))
        assert {"v2.18", "v2.16", "v2.14"} <= set(self.listed(cached))

    @pytest.mark.parametrize("path", ["/", "/v1", "/v3/images", "/v2.99/images", "/nothing"])
    def test_other_paths_offer_a_choice(self, images: Images, path: str) -> None:
        assert self.listed(images, path, 300) == self.listed(images)

    def test_a_version_in_the_path_means_version_two(self, images: Images) -> None:
        image = images.create()
        for version in ("v2", "v2.0", "v2.9", "v2.15"):
            assert images.call("GET", f"/{version}/images/{image['id']}").status == 200
        assert images.call("GET", "/v2/images/").status == 404

    def test_an_operators_public_endpoint(self, make_images: Callable[[str], Images]) -> None:
        images = make_images("[DEFAULT]\npublic_endpoint = https://images.example/\n")
        found = images.json("GET", "/versions", None)["versions"]
        assert {one["links"][0]["href"] for one in found} == {"https://images.example/v2/"}


class TestSchemas:
    @pytest.mark.parametrize("name", DOCUMENTS)
    def test_every_document_is_a_schema(self, images: Images, name: str) -> None:
        document = images.json("GET", f"/v2/schemas/{name}")
        jsonschema.Draft4Validator.check_schema(document)
        assert document["name"].startswith(name.rpartition("/")[2].removesuffix("s"))

    def test_answers_are_as_the_documents_say(self, stores: Images) -> None:
        stores.active(b"data", own="property", tags=["a"])
        stores.create()
        listed = stores.json("GET", "/v2/images")
        jsonschema.validate(listed, stores.json("GET", "/v2/schemas/images"), jsonschema.Draft4Validator)
        for image in listed["images"]:
            jsonschema.validate(image, stores.json("GET", "/v2/schemas/image"), jsonschema.Draft4Validator)

    def test_formats_are_the_operators(self, make_images: Callable[[str], Images]) -> None:
        images = make_images("[image_format]\ndisk_formats = raw\ncontainer_formats = bare\n")
        properties = images.json("GET", "/v2/schemas/image")["properties"]
        assert properties["disk_format"]["enum"] == [None, "raw"]
        assert properties["container_format"]["enum"] == [None, "bare"]
        assert images.call("POST", "/v2/images", json={"disk_format": "qcow2"}).status == 400

    def test_a_schema_needs_a_token(self, images: Images) -> None:
        assert images.call("GET", "/v2/schemas/image", None).status == 401


def test_an_operators_rule_counts(make_images: Callable[[str], Images], tmp_path: Path) -> None:
    directory = tmp_path / "0" / "etc" / "glance"
    directory.mkdir(parents=True)
    (directory / "policy.yaml").write_text(json.dumps({"add_image": "role:admin", "get_images": "@"}))
    images = make_images("")
    refusal = images.json("POST", "/v2/images", json={}, status=403)
    assert "add_image" in refusal["message"]
    images.json("POST", "/v2/images", "admin", json={}, status=201)
