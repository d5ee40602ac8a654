"""Requests about servers that no host takes part in."""

from __future__ import annotations

from typing import Any

import pytest

from tests.compute.support import IMAGE_ID, NETWORK_ID, Cloud


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": ""}, "name"),
        ({"flavorRef": "none"}, "Flavor none could not be found"),
        ({"imageRef": "no"}, "field/attribute imageRef"),
        ({"imageRef": "99999999-9999-4999-8999-999999999999"}, "Can not find requested image"),
        ({"networks": [{"uuid": IMAGE_ID}]}, "could not be found"),
        ({"networks": [{"port": IMAGE_ID}]}, "could not be found"),
        ({"networks": [{"uuid": NETWORK_ID, "fixed_ip": "x"}]}, "fixed_ip"),
        ({"key_name": "none"}, "Invalid key_name"),
        ({"user_data": "%%%"}, "user_data"),
        ({"availability_zone": "moon"}, "availability zone"),
        ({"metadata": {"a": "b" * 256}}, "metadata"),
        ({"min_count": 3, "max_count": 2}, "min_count"),
        ({"accessIPv4": "::1"}, "accessIPv4"),
        ({"surplus": 1}, "surplus"),
    ],
)
def test_what_is_wrong_is_refused_by_name(cloud: Cloud, fields: dict[str, Any], says: str) -> None:
    error = cloud.boot(status=400, **fields)
    assert says in error["message"]


ROOT = {"source_type": "image", "destination_type": "local", "boot_index": 0, "uuid": IMAGE_ID}


def test_an_image_may_be_named_as_the_root_device_as_the_stock_client_does(cloud: Cloud) -> None:
    cloud.boot(block_device_mapping_v2=[{**ROOT, "delete_on_termination": True}])
    cloud.boot(imageRef="", block_device_mapping_v2=[ROOT])


@pytest.mark.parametrize(
    ("device", "says"),
    [
        ({"uuid": "99999999-9999-4999-8999-999999999999"}, "not supported"),
        ({"destination_type": "volume"}, "non-zero size"),
        ({"source_type": "volume", "destination_type": "volume"}, "failed to get volume"),
        ({"source_type": "blank", "boot_index": -1}, "Invalid device UUID"),
        ({"boot_index": 1}, "Boot sequence"),
        ({"surplus": 1}, "surplus"),
    ],
)
def test_a_device_that_cannot_be_is_refused_with_the_reason(cloud: Cloud, device: dict[str, Any], says: str) -> None:
    assert says in cloud.boot(status=400, block_device_mapping_v2=[{**ROOT, **device}])["message"]


def test_fields_belong_to_their_microversion(cloud: Cloud) -> None:
    server = {"name": "s", "imageRef": IMAGE_ID, "flavorRef": cloud.flavor(), "description": "d"}
    assert cloud.call("POST", "/v2.1/servers", version="2.18", json={"server": server}).status == 400
    assert cloud.call("POST", "/v2.1/servers", version="2.19", json={"server": server}).status == 202
    assert cloud.call("POST", "/v2.1/servers", version="2.37", json={"server": server}).status == 400


def test_quota_is_counted_in_the_same_step(cloud: Cloud) -> None:
    cloud.boot(min_count=10)
    assert "Quota exceeded for instances" in cloud.boot(status=403)["message"]


def test_others_do_not_see_it(cloud: Cloud) -> None:
    server_id = cloud.boot()["id"]
    assert cloud.call("GET", f"/v2.1/servers/{server_id}", "other").status == 404
    assert cloud.json("GET", "/v2.1/servers/detail", "other")["servers"] == []
    assert cloud.call("DELETE", f"/v2.1/servers/{server_id}", "reader").status == 403
    assert len(cloud.json("GET", "/v2.1/servers?all_tenants=1", "admin")["servers"]) == 1
    assert cloud.call("GET", "/v2.1/servers?all_tenants=1", "other").status == 403


def test_pages_lead_through_all(cloud: Cloud) -> None:
    cloud.boot(name="s", min_count=5)
    seen, path = [], "/v2.1/servers?limit=2&sort_key=display_name&sort_dir=asc"
    while path:
        page = cloud.json("GET", path)
        seen += [one["name"] for one in page["servers"]]
        following = page.get("servers_links", [])
        path = following[0]["href"].partition("cloud.test:1")[2] if following else ""
    assert seen == [f"s-{number}" for number in range(1, 6)]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name=^a", ["ab"]),
        ("name=b", ["ab", "bc"]),
        ("tags=x", ["ab", "bc"]),
        ("tags=x,y", ["bc"]),
        ("not-tags=x,y", ["ab"]),
        ("not-tags-any=y", ["ab"]),
        ("status=BUILD", ["ab", "bc"]),
        ("status=ACTIVE", []),
        (f"image={IMAGE_ID}", ["ab", "bc"]),
        ("locked=true", []),
        ("changes-since=2000-01-01T00:00:00Z", ["ab", "bc"]),
        ("changes-since=2100-01-01T00:00:00Z", []),
    ],
)
def test_filters(cloud: Cloud, query: str, names: list[str]) -> None:
    cloud.boot(name="ab", tags=["x"])
    cloud.boot(name="bc", tags=["x", "y"])
    assert sorted(one["name"] for one in cloud.json("GET", f"/v2.1/servers?{query}")["servers"]) == names


@pytest.mark.parametrize("query", ["name=[", "sort_key=no", "limit=-1", "marker=none", "changes-since=no", "surplus=1"])
def test_bad_queries_are_refused(cloud: Cloud, query: str) -> None:
    assert cloud.call("GET", f"/v2.1/servers/detail?{query}").status == 400


def test_update_metadata_and_tags(cloud: Cloud) -> None:
    path = f"/v2.1/servers/{cloud.boot()['id']}"
    changed = cloud.json("PUT", path, json={"server": {"name": "new", "description": "d", "accessIPv4": "1.2.3.4"}})
    assert (changed["server"]["name"], changed["server"]["accessIPv4"]) == ("new", "1.2.3.4")
    assert cloud.json("POST", f"{path}/metadata", json={"metadata": {"a": "1"}}) == {"metadata": {"a": "1"}}
    assert cloud.json("PUT", f"{path}/metadata/b", json={"meta": {"b": "2"}}) == {"meta": {"b": "2"}}
    assert cloud.call("PUT", f"{path}/metadata/b", json={"meta": {"c": "2"}}).status == 400
    cloud.json("DELETE", f"{path}/metadata/a", status=204)
    assert cloud.json("GET", f"{path}/metadata") == {"metadata": {"b": "2"}}
    assert cloud.call("PUT", f"{path}/tags/x").status == 201
    assert cloud.call("PUT", f"{path}/tags/x").status == 204
    assert cloud.json("GET", f"{path}/tags") == {"tags": ["x"]}
    cloud.json("DELETE", f"{path}/tags", status=204)
    assert cloud.call("GET", f"{path}/tags/x").status == 404


def test_old_microversions_show_less(cloud: Cloud) -> None:
    server_id = cloud.boot()["id"]
    old = cloud.json("GET", f"/v2.1/servers/{server_id}", version="2.1")["server"]
    assert set(old["flavor"]) == {"id", "links"} and "tags" not in old and "locked" not in old
    new = cloud.json("GET", f"/v2.1/servers/{server_id}", version="2.96")["server"]
    assert new["flavor"]["original_name"] and new["tags"] == [] and new["locked"] is False
    assert "OS-EXT-SRV-ATTR:host" not in new


def test_the_request_id_has_its_old_name_too(cloud: Cloud) -> None:
    answer = cloud.call("GET", "/v2.1/servers")
    assert answer.headers["x-compute-request-id"] == answer.headers["x-openstack-request-id"]


def test_addresses_are_shown_in_their_shortest_form(cloud: Cloud) -> None:
    server_id = cloud.boot(accessIPv6="0000:0000:0000:0000:0000:babe:220.12.22.2")["id"]
    assert cloud.show(server_id)["accessIPv6"] == "::babe:dc0c:1602"


@pytest.mark.parametrize(
    ("name", "version", "status"),
    [
        ("a", "2.93", 400),
        ("ab", "2.90", 200),
        ("ab", "2.89", 400),
        ("a.b", "2.93", 400),
        ("a.b", "2.94", 200),
        ("a_b", "2.94", 200),
        ("a", "2.94", 200),
        ("a" * 64, "2.93", 400),
        ("a" * 64, "2.94", 200),
        ("", "2.94", 400),
        ("a b", "2.94", 400),
    ],
)
def test_host_names_by_microversion(cloud: Cloud, name: str, version: str, status: int) -> None:
    path = f"/v2.1/servers/{cloud.boot()['id']}"
    assert cloud.call("PUT", path, version=version, json={"server": {"hostname": name}}).status == status


@pytest.mark.parametrize("address", [None, "", "x"])
def test_an_access_address_is_one(cloud: Cloud, address: str | None) -> None:
    path = f"/v2.1/servers/{cloud.boot()['id']}"
    assert cloud.call("PUT", path, json={"server": {"accessIPv4": address}}).status == 400
    cloud.boot(accessIPv4=address, status=400)


def test_security_groups_are_those_of_ports(running: Cloud) -> None:
    with_port, without = running.active(), running.active(networks="none")
    assert with_port["security_groups"] == [{"name": "default"}]
    assert "security_groups" not in without


def test_usage_refuses_what_it_does_not_know_from_2_75_on(cloud: Cloud) -> None:
    def ask(query: str, version: str) -> int:
        return cloud.call("GET", f"/v2.1/os-simple-tenant-usage{query}", "admin", version).status

    assert (ask("?zzz=1", "2.74"), ask("?zzz=1", "2.75"), ask("?detailed=1", "2.75")) == (200, 400, 200)
    assert (ask("/project?detailed=1", "2.74"), ask("/project?detailed=1", "2.75")) == (200, 400)


def test_console_tokens_before_2_31_were_of_one_kind(cloud: Cloud) -> None:
    path = "/v2.1/os-console-auth-tokens/nothing"
    assert cloud.call("GET", path, "admin", "2.30").status == 400
    assert cloud.call("GET", path, "admin", "2.31").status == 404
