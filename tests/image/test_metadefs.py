"""Metadata definitions: namespaces and what is in them, who sees and changes them, and the standard ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cumulet.image.domain.metadefs import standard
from tests.image.support import Images

URL = "/v2/metadefs/namespaces"
COLOUR = {"title": "Colour", "type": "string", "enum": ["red", "green"], "default": "red"}


def namespace(images: Images, name: str = "Mine", token: str = "admin", *, status: int = 201, **rest: Any) -> Any:
    return images.json("POST", URL, token, json={"namespace": name, **rest}, status=status)


class TestNamespaces:
    def test_a_namespace_and_all_that_is_in_it(self, images: Images) -> None:
        body = {
            "display_name": "My own",
            "description": "What I need.",
            "visibility": "public",
            "protected": False,
            "resource_type_associations": [{"name": "OS::Glance::Image", "prefix": "hw_"}],
            "properties": {"colour": COLOUR},
            "objects": [
                {"name": "Wheel", "required": ["spokes"], "properties": {"spokes": {"title": "S", "type": "integer"}}}
            ],
            "tags": [{"name": "round"}],
        }
        made = namespace(images, **body)
        assert (made["owner"], made["self"]) == ("admin", f"{URL}/Mine")
        shown = images.json("GET", f"{URL}/Mine", "member")
        assert shown["properties"] == {"colour": COLOUR}
        assert [one["name"] for one in shown["objects"]] == ["Wheel"]
        assert shown["objects"][0]["properties"] == {"spokes": {"title": "S", "type": "integer"}}
        assert shown["tags"] == [{"name": "round"}]
        assert [one["prefix"] for one in shown["resource_type_associations"]] == ["hw_"]
        shown = images.json("GET", f"{URL}/Mine?resource_type=OS::Glance::Image", "member")
        assert list(shown["properties"]) == ["hw_colour"]
        assert shown["objects"][0]["required"] == ["hw_spokes"]
        assert images.call("DELETE", f"{URL}/Mine", "admin").status == 204
        images.json("GET", f"{URL}/Mine", "admin", status=404)

    def test_it_is_changed_and_renamed(self, images: Images) -> None:
        namespace(images, description="old")
        changed = images.json("PUT", f"{URL}/Mine", "admin", json={"namespace": "Yours", "display_name": "new"})
        assert (changed["namespace"], changed["display_name"], changed.get("description")) == ("Yours", "new", None)
        images.json("GET", f"{URL}/Mine", "admin", status=404)
        namespace(images, "Third")
        images.json("PUT", f"{URL}/Third", "admin", json={"namespace": "Yours"}, status=409)

    def test_names_are_used_once(self, images: Images) -> None:
        namespace(images)
        namespace(images, status=409)

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"namespace": 1},
            {"namespace": "x" * 81},
            {"namespace": "x", "visibility": "shared"},
            {"namespace": "x", "protected": "no"},
            {"namespace": "x", "unknown": 1},
            {"namespace": "x", "properties": {"p": {"title": "P", "type": "wheel"}}},
            {"namespace": "x", "objects": [{}]},
        ],
    )
    def test_what_is_none_is_refused(self, images: Images, body: Any) -> None:
        images.json("POST", URL, "admin", json=body, status=400)

    def test_who_sees_it(self, images: Images) -> None:
        namespace(images, "Private", visibility="private")
        namespace(images, "Public", visibility="public")
        seen = {
            token: [one["namespace"] for one in images.json("GET", URL, token)["namespaces"]]
            for token in ("admin", "member")
        }
        assert seen == {"admin": ["Public", "Private"], "member": ["Public"]}
        images.json("GET", f"{URL}/Private", status=404)
        images.json("POST", URL, json={"namespace": "x"}, status=403)
        images.json("PUT", f"{URL}/Public", json={"namespace": "Public"}, status=403)
        images.json("DELETE", f"{URL}/Public", status=403)

    def test_a_protected_one_stays(self, images: Images) -> None:
        namespace(images, protected=True, properties={"colour": COLOUR}, tags=[{"name": "t"}])
        for path in ("", "/properties/colour", "/tags/t"):
            images.json("DELETE", f"{URL}/Mine{path}", "admin", status=403)
        images.json("PUT", f"{URL}/Mine", "admin", json={"namespace": "Mine", "protected": False})
        assert images.call("DELETE", f"{URL}/Mine", "admin").status == 204

    def test_pages(self, images: Images) -> None:
        names = [f"N{number}" for number in range(5)]
        for name in names:
            namespace(images, name, visibility="public")
        found: list[str] = []
        path = f"{URL}?limit=2&sort_key=namespace&sort_dir=asc"
        while path:
            page = images.json("GET", path)
            found += [one["namespace"] for one in page["namespaces"]]
            path = page.get("next", "")
        assert found == names
        for query in ("sort_dir=up", "limit=x", "limit=-1", "marker=none", "sort_key=colour", "visibility=odd"):
            assert images.call("GET", f"{URL}?{query}").status in (400, 404), query


class TestContents:
    @pytest.fixture
    def mine(self, images: Images) -> Images:
        namespace(images, visibility="public")
        return images

    def test_properties(self, mine: Images) -> None:
        path = f"{URL}/Mine/properties"
        assert mine.json("POST", path, "admin", json={"name": "colour", **COLOUR}, status=201)["name"] == "colour"
        mine.json("POST", path, "admin", json={"name": "colour", **COLOUR}, status=409)
        assert mine.json("GET", path)["properties"] == {"colour": COLOUR}
        assert mine.json("GET", f"{path}/colour") == {"name": "colour", **COLOUR}
        renamed = {"name": "shade", "title": "Shade", "type": "string"}
        assert mine.json("PUT", f"{path}/colour", "admin", json=renamed) == renamed
        mine.json("GET", f"{path}/colour", status=404)
        mine.json("POST", path, json={"name": "x", **COLOUR}, status=403)
        assert mine.call("DELETE", f"{path}/shade", "admin").status == 204
        mine.json("POST", path, "admin", json={"name": "colour", **COLOUR}, status=201)
        assert mine.call("DELETE", path, "admin").status == 204
        assert mine.json("GET", path)["properties"] == {}

    def test_a_property_by_its_prefixed_name(self, mine: Images) -> None:
        mine.json("POST", f"{URL}/Mine/properties", "admin", json={"name": "colour", **COLOUR}, status=201)
        association = {"name": "OS::Nova::Flavor", "prefix": "hw:"}
        mine.json("POST", f"{URL}/Mine/resource_types", "admin", json=association, status=201)
        query = "?resource_type=OS::Nova::Flavor"
        assert mine.json("GET", f"{URL}/Mine/properties/hw:colour{query}")["title"] == "Colour"
        mine.json("GET", f"{URL}/Mine/properties/colour{query}", status=404)
        mine.json("GET", f"{URL}/Mine/properties/hw:colour?resource_type=Other", status=404)

    def test_objects(self, mine: Images) -> None:
        path = f"{URL}/Mine/objects"
        wheel = {"name": "Wheel", "description": "Round.", "properties": {"spokes": {"title": "S", "type": "integer"}}}
        made = mine.json("POST", path, "admin", json=wheel, status=201)
        assert (made["self"], made["schema"]) == (f"{path}/Wheel", "/v2/schemas/metadefs/object")
        mine.json("POST", path, "admin", json=wheel, status=409)
        assert [one["name"] for one in mine.json("GET", path)["objects"]] == ["Wheel"]
        assert mine.json("PUT", f"{path}/Wheel", "admin", json={"name": "Tyre"})["name"] == "Tyre"
        mine.json("GET", f"{path}/Wheel", status=404)
        assert mine.call("DELETE", f"{path}/Tyre", "admin").status == 204
        mine.json("DELETE", f"{path}/Tyre", "admin", status=404)
        mine.json("POST", path, "admin", json={"name": "x", "colour": 1}, status=400)

    def test_an_object_of_nothing_has_no_properties(self, mine: Images) -> None:
        made = mine.json("POST", f"{URL}/Mine/objects", "admin", json={"name": "empty"}, status=201)
        assert not {"properties", "required"} & made.keys()
        shown = mine.json("GET", f"{URL}/Mine/objects/empty", "admin")
        assert (shown["properties"], shown["required"]) == ({}, [])

    def test_tags(self, mine: Images) -> None:
        path = f"{URL}/Mine/tags"
        made = mine.json("POST", path, "admin", json={"tags": [{"name": "a"}, {"name": "b"}]}, status=201)
        assert made == {"tags": [{"name": "a"}, {"name": "b"}]}
        headers = {"X-Openstack-Append": "True"}
        mine.json("POST", path, "admin", json={"tags": [{"name": "c"}]}, headers=headers, status=201)
        assert {one["name"] for one in mine.json("GET", path)["tags"]} == {"a", "b", "c"}
        mine.json("POST", path, "admin", json={"tags": [{"name": "d"}]}, status=201)
        assert mine.json("GET", path)["tags"] == [{"name": "d"}]
        mine.json("POST", path, "admin", json={"tags": [{"name": "x"}, {"name": "X"}]}, status=409)
        assert mine.json("POST", f"{path}/e", "admin", status=201)["name"] == "e"
        mine.json("POST", f"{path}/e", "admin", status=409)
        assert mine.json("PUT", f"{path}/e", "admin", json={"name": "f"})["name"] == "f"
        mine.json("PUT", f"{path}/f", "admin", json={"name": "d"}, status=409)
        assert mine.call("DELETE", f"{path}/f", "admin").status == 204
        mine.json("GET", f"{path}/f", status=404)
        assert mine.call("DELETE", path, "admin").status == 204
        assert mine.json("GET", path)["tags"] == []

    def test_resource_types(self, mine: Images) -> None:
        path = f"{URL}/Mine/resource_types"
        made = mine.json(
            "POST", path, "admin", json={"name": "OS::Own::Thing", "properties_target": "image"}, status=201
        )
        assert (made["name"], made["properties_target"]) == ("OS::Own::Thing", "image")
        mine.json("POST", path, "admin", json={"name": "OS::Own::Thing"}, status=409)
        assert [one["name"] for one in mine.json("GET", path)["resource_type_associations"]] == ["OS::Own::Thing"]
        known = mine.json("GET", "/v2/metadefs/resource_types")["resource_types"]
        assert "OS::Own::Thing" in [one["name"] for one in known]
        listed = mine.json("GET", f"{URL}?resource_types=OS::Own::Thing")["namespaces"]
        assert [one["namespace"] for one in listed] == ["Mine"]
        assert mine.json("GET", f"{URL}?resource_types=OS::Other")["namespaces"] == []
        assert mine.call("DELETE", f"{path}/OS::Own::Thing", "admin").status == 204
        mine.json("DELETE", f"{path}/OS::Own::Thing", "admin", status=404)


class TestStandard:
    def test_they_are_loaded_once(self, images: Images) -> None:
        standard.ensure(images.service)
        listed = images.json("GET", f"{URL}?limit=100")["namespaces"]
        assert len(listed) == len(list(standard.directory().glob("*.json")))
        assert {one["visibility"] for one in listed} == {"public"}
        images.json(
            "PUT",
            f"{URL}/OS::Compute::Libvirt",
            "admin",
            json={"namespace": "OS::Compute::Libvirt", "protected": False},
        )
        images.json("DELETE", f"{URL}/OS::Compute::Libvirt", "admin", status=204)
        standard.ensure(images.service)
        images.json("GET", f"{URL}/OS::Compute::Libvirt", status=404)
        assert standard.load(images.service).new == 1

    def test_they_have_the_properties_that_clients_look_for(self, images: Images) -> None:
        standard.ensure(images.service)
        quota = images.json("GET", f"{URL}/OS::Compute::Quota")
        assert "disk_read_bytes_sec" in json.dumps(quota)
        libvirt = images.json("GET", f"{URL}/OS::Compute::LibvirtImage?resource_type=OS::Glance::Image")
        assert "hw_disk_bus" in libvirt["properties"]
        topology = images.json("GET", f"{URL}/OS::Compute::VirtCPUTopology?resource_type=OS::Nova::Flavor")
        assert "hw:cpu_sockets" in json.dumps(topology)

    def test_every_file_says_what_it_is_for(self) -> None:
        for path in standard.directory().glob("*.json"):
            body = json.loads(path.read_text())
            assert body["display_name"] and body["description"].endswith("."), path.name
            for name, value in body.get("properties", {}).items():
                assert value["title"] and value["description"].endswith("."), (path.name, name)

    def test_what_is_there_is_merged_or_replaced(self, images: Images, tmp_path: Path) -> None:
        namespace(images, description="mine", properties={"own": COLOUR, "both": COLOUR})
        theirs = {**COLOUR, "title": "Theirs"}
        body = {"namespace": "Mine", "description": "theirs", "properties": {"both": theirs, "new": theirs}}
        path = tmp_path / "mine.json"
        path.write_text(json.dumps(body))

        def loaded(**how: bool) -> tuple[str, list[str], str]:
            standard.load(images.service, path, **how)
            shown = images.json("GET", f"{URL}/Mine", "admin")
            properties = shown["properties"]
            return shown["description"], sorted(properties), properties["both"]["title"]

        assert loaded() == ("mine", ["both", "own"], "Colour")
        assert loaded(merge=True) == ("mine", ["both", "new", "own"], "Colour")
        assert loaded(merge=True, prefer_new=True)[2] == "Theirs"
        assert loaded(overwrite=True) == ("theirs", ["both", "new"], "Theirs")

    def test_what_was_written_can_be_loaded(self, images: Images, tmp_path: Path) -> None:
        standard.ensure(images.service)
        before = images.json("GET", f"{URL}/OS::Compute::Watchdog")
        count = standard.export(images.service, tmp_path)
        assert count == len(list(tmp_path.glob("*.json")))
        assert standard.unload(images.service) == count
        assert images.json("GET", URL)["namespaces"] == []
        assert standard.load(images.service, tmp_path).new == count
        after = images.json("GET", f"{URL}/OS::Compute::Watchdog")
        for name in ("properties", "objects", "description"):
            assert after.get(name) == before.get(name)

    @pytest.mark.parametrize("text", ["", "[]", '{"namespace": 1}', '{"display_name": "x"}'])
    def test_files_that_are_none_are_named(self, images: Images, tmp_path: Path, text: str) -> None:
        (tmp_path / "broken.json").write_text(text)
        with pytest.raises(standard.MetadefsError, match=r"broken\.json"):
            standard.load(images.service, tmp_path)
        with pytest.raises(standard.MetadefsError):
            standard.load(images.service, tmp_path / "none")
