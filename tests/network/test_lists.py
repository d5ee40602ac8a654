"""Lists: filters with several values, fields, orders and pages, as Neutron's clients ask for them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.network.support import Api, refusal

NAMES = ["ash", "birch", "cedar", "elder", "fir"]


@pytest.fixture(scope="module")
def grove(network: Any) -> str:
    """A network with a port of each name."""
    api = Api(network, "member")
    made = api.make("network", name="grove")
    for number, name in enumerate(NAMES):
        api.make("port", network_id=made["id"], name=name, description="odd" if number % 2 else "even")
    return str(made["id"])


def names(api: Api, query: str) -> list[str]:
    return [port["name"] for port in api.list("port", query)]


def test_of_one_key_any_value_matches_and_of_several_keys_all_must(api: Api, grove: str) -> None:
    base = f"?network_id={grove}"
    assert sorted(names(api, f"{base}&name=ash&name=fir")) == ["ash", "fir"]
    assert names(api, f"{base}&name=ash&name=birch&description=odd") == ["birch"]
    assert names(api, f"{base}&name=oak") == []
    assert sorted(names(api, f"{base}&admin_state_up=1")) == NAMES
    assert names(api, f"{base}&admin_state_up=false") == []


def test_only_the_fields_asked_for_are_shown(api: Api, grove: str) -> None:
    shown = api.list("port", f"?network_id={grove}&name=ash&fields=name&fields=status&fields=unheard_of")
    assert shown == [{"name": "ash", "status": "DOWN"}]


def test_rows_come_in_the_order_asked_for(api: Api, grove: str) -> None:
    base = f"?network_id={grove}"
    assert names(api, f"{base}&sort_key=name&sort_dir=desc") == NAMES[::-1]
    twice = f"{base}&sort_key=description&sort_dir=desc&sort_key=name&sort_dir=asc"
    assert names(api, twice) == ["birch", "elder", "ash", "cedar", "fir"]


def test_pages_lead_to_each_other_both_ways(api: Api, grove: str) -> None:
    page = f"/v2.0/ports?network_id={grove}&sort_key=name&sort_dir=asc&limit=2"
    seen, links = [], {"next": page}
    while "next" in links:
        answer = api.client.get(links["next"].replace("http://cloud.test:1", "")).json()
        seen.append([port["name"] for port in answer["ports"]])
        links = {link["rel"]: link["href"] for link in answer.get("ports_links", [])}
    assert seen == [["ash", "birch"], ["cedar", "elder"], ["fir"]]
    back = urlsplit(links["previous"])
    answer = api.client.get(f"{back.path}?{back.query}").json()
    assert [port["name"] for port in answer["ports"]] == ["cedar", "elder"]


@pytest.mark.parametrize(
    ("query", "status", "kind"),
    [
        ("colour=blue", 400, "HTTPBadRequest"),
        ("sort_key=name", 400, "HTTPBadRequest"),
        ("sort_key=colour&sort_dir=asc", 400, "HTTPBadRequest"),
        ("sort_key=name&sort_dir=sideways", 400, "HTTPBadRequest"),
        ("limit=-1", 400, "BadRequest"),
        ("limit=many", 400, "BadRequest"),
        ("limit=1&marker=nobody", 404, "PortNotFound"),
        ("admin_state_up=perhaps", 400, "InvalidInput"),
        ("fixed_ips=10.0.0.1", 400, "InvalidInput"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(api: Api, query: str, status: int, kind: str) -> None:
    assert refusal(api.client.get(f"/v2.0/ports?{query}")) == (status, kind)


def test_ports_are_found_by_their_addresses_and_groups(api: Api) -> None:
    network, subnet = api.network_with("10.31.0.0/24")
    group = api.make("security_group", name="found")
    port = api.make("port", network_id=network["id"], name="found", security_groups=[group["id"]])
    address = port["fixed_ips"][0]["ip_address"]
    for query in (
        f"fixed_ips=ip_address%3D{address}",
        f"fixed_ips=ip_address%3D{address}&fixed_ips=subnet_id%3D{subnet['id']}",
        "fixed_ips=ip_address_substr%3D10.31.",
        f"security_groups={group['id']}",
        f"mac_address={port['mac_address']}",
    ):
        assert names(api, f"?{query}") == ["found"], query
    assert names(api, f"?fixed_ips=ip_address%3D{address}&fixed_ips=subnet_id%3Delsewhere") == []


def test_tags_are_filters(api: Api) -> None:
    network = api.make("network", name="tagged")
    for name, tags in (("a", ["red"]), ("b", ["red", "blue"]), ("c", [])):
        port = api.make("port", network_id=network["id"], name=name)
        assert api.act(f"ports/{port['id']}/tags", {"tags": tags}) == {"tags": sorted(tags)}
    base = f"?network_id={network['id']}"
    assert sorted(names(api, f"{base}&tags=red")) == ["a", "b"]
    assert names(api, f"{base}&tags=red,blue") == ["b"]
    assert sorted(names(api, f"{base}&tags-any=red,blue")) == ["a", "b"]
    assert sorted(names(api, f"{base}&not-tags=red,blue")) == ["a", "c"]
    assert names(api, f"{base}&not-tags-any=red,blue") == ["c"]
