"""Many writers at once: an address, a MAC, a segment is given once and to the last; a refused create leaves nothing."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from cumulet.kernel.client import Response
from cumulet.network import tables
from cumulet.network.service import Network
from tests.network.support import Api, make_network, refusal

WRITERS = 32
NONE = [f"quota_{noun} = -1\n" for noun in ("network", "subnet", "port", "security_group", "security_group_rule")]
OPTIONS = f"[ml2_type_vxlan]\nvni_ranges = 100:139\n[quotas]\n{''.join(NONE)}"
_projects = itertools.count(1)


@pytest.fixture(scope="module")
def network(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    made = make_network(module_database_url, tmp_path_factory.mktemp("state"), OPTIONS)
    yield made
    made.db.close()


@pytest.fixture(scope="module")
def apis(network: Network) -> list[Api]:
    return [Api(network, "admin") for _ in range(WRITERS)]


@pytest.fixture(scope="module")
def api(apis: list[Api]) -> Api:
    return apis[0]


@pytest.fixture
def project() -> str:
    return f"project-{next(_projects)}"


def together(apis: list[Api], ask: Callable[[Api], list[Response]]) -> list[Response]:
    """What all of them were answered, who began at the same moment."""
    gate = threading.Barrier(len(apis))

    def begin(api: Api) -> list[Response]:
        gate.wait(60)
        return ask(api)

    with ThreadPoolExecutor(len(apis)) as pool:
        return [answer for answers in pool.map(begin, apis) for answer in answers]


def made(answers: list[Response], noun: str) -> list[dict[str, Any]]:
    return [answer.json()[noun] for answer in answers if answer.status == 201]


def refusals(answers: list[Response]) -> set[tuple[int, str]]:
    return {refusal(answer) for answer in answers if answer.status != 201}


def rows(network: Network) -> dict[str, int]:
    """How many rows each table has."""
    with network.db.read() as connection:
        return {
            table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in tables.metadata.sorted_tables
        }


def test_a_network_is_filled_to_its_last_address_and_none_is_given_twice(api: Api, apis: list[Api]) -> None:
    network, _ = api.network_with("10.9.0.0/24")

    def fill(one: Api) -> list[Response]:
        answers: list[Response] = []
        while not answers or answers[-1].status == 201:
            answers.append(one.client.post("/v2.0/ports", {"port": {"network_id": network["id"]}}))
        return answers

    answers = together(apis, fill)
    given = [port["fixed_ips"][0]["ip_address"] for port in made(answers, "port")]
    assert len(given) == len(set(given)) == 253  # less network, broadcast and gateway
    assert refusals(answers) == {(409, "IpAddressGenerationFailure")}
    macs = {port["mac_address"] for port in api.list("port", f"?network_id={network['id']}")}
    assert len(macs) == 253
    availability = api.client.get(f"/v2.0/network-ip-availabilities/{network['id']}").json()["network_ip_availability"]
    assert (availability["used_ips"], availability["total_ips"]) == (253, 253)

    def free_and_take(one: Api) -> list[Response]:
        mine = api.list("port", f"?network_id={network['id']}&limit=1&fixed_ips=ip_address={next(victims)}")
        one.delete("port", mine[0]["id"])
        return [one.client.post("/v2.0/ports", {"port": {"network_id": network["id"]}})]

    victims = iter(given[:WRITERS])
    again = [port["fixed_ips"][0]["ip_address"] for port in made(together(apis, free_and_take), "port")]
    assert sorted(again) == sorted(given[:WRITERS])


def test_an_address_or_mac_that_all_want_is_given_to_one(api: Api, apis: list[Api]) -> None:
    network, _ = api.network_with("10.9.1.0/24")
    wanted = {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.9.1.77"}]}
    answers = together(apis, lambda one: [one.client.post("/v2.0/ports", {"port": wanted})])
    assert len(made(answers, "port")) == 1 and refusals(answers) == {(409, "IpAddressAlreadyAllocated")}
    wanted = {"network_id": network["id"], "mac_address": "02:00:00:00:00:07"}
    answers = together(apis, lambda one: [one.client.post("/v2.0/ports", {"port": wanted})])
    assert len(made(answers, "port")) == 1 and refusals(answers) == {(409, "MacAddressInUse")}
    assert len(api.list("port", f"?network_id={network['id']}")) == 2


def test_segments_are_given_to_the_last_and_none_twice(network: Network, api: Api, apis: list[Api]) -> None:
    for one in api.list("network"):
        for port in api.list("port", f"?network_id={one['id']}"):
            api.delete("port", port["id"])
        api.delete("network", one["id"])
    answers = together(apis, lambda one: [one.client.post("/v2.0/networks", {"network": {}}) for _ in range(2)])
    given = [one["provider:segmentation_id"] for one in made(answers, "network")]
    assert sorted(given) == list(range(100, 140))
    assert refusals(answers) == {(503, "NoNetworkAvailable")}
    for one in made(answers, "network"):
        api.delete("network", one["id"])
    assert rows(network)["segment_allocations"] == 0


def test_a_project_has_one_default_group_whoever_comes_first(api: Api, apis: list[Api], project: str) -> None:
    answers = together(apis, lambda one: [one.client.get(f"/v2.0/security-groups?project_id={project}")])
    assert {answer.status for answer in answers} == {200}
    network, _ = api.network_with("10.9.2.0/24")
    wanted = {"network_id": network["id"], "project_id": project}
    ports = made(together(apis, lambda one: [one.client.post("/v2.0/ports", {"port": wanted})]), "port")
    assert len(ports) == WRITERS
    (group,) = api.list("security_group", f"?project_id={project}")
    assert group["name"] == "default" and {tuple(port["security_groups"]) for port in ports} == {(group["id"],)}


def test_a_quota_holds_when_all_ask_at_once(api: Api, apis: list[Api], project: str) -> None:
    assert api.client.put(f"/v2.0/quotas/{project}", {"quota": {"port": 10, "security_group": 5}}).status == 200
    network, _ = api.network_with("10.9.3.0/24")
    wanted = {"network_id": network["id"], "project_id": project}
    answers = together(apis, lambda one: [one.client.post("/v2.0/ports", {"port": wanted})])
    assert len(made(answers, "port")) == 10 and refusals(answers) == {(409, "OverQuota")}
    group = {"name": "g", "project_id": project}
    answers = together(apis, lambda one: [one.client.post("/v2.0/security-groups", {"security_group": group})])
    assert len(made(answers, "security_group")) == 4 and refusals(answers) == {(409, "OverQuota")}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("ports", {"port": {"fixed_ips": [{"ip_address": "10.9.4.9"}, {"ip_address": "10.9.4.9"}]}}),
        ("ports", {"port": {"fixed_ips": [{"ip_address": "192.0.2.1"}]}}),
        ("ports", {"port": {"security_groups": ["00000000-0000-4000-8000-000000000000"]}}),
        ("ports", {"ports": [{"name": "good"}, {"fixed_ips": [{"ip_address": "192.0.2.1"}]}]}),
        ("subnets", {"subnet": {"ip_version": 4, "cidr": "10.9.4.0/25"}}),
        ("subnets", {"subnets": [{"ip_version": 4, "cidr": "10.9.5.0/24"}, {"ip_version": 4, "cidr": "10.9.5.0/24"}]}),
        ("trunks", {"trunk": {"port_id": "00000000-0000-4000-8000-000000000000"}}),
    ],
)
def test_a_refused_create_leaves_nothing(network: Network, api: Api, path: str, body: dict[str, Any]) -> None:
    found = [one for one in api.list("network") if one["name"] == "refused"]
    if not found:
        found = [api.make("network", name="refused")]
        api.make("subnet", network_id=found[0]["id"], ip_version=4, cidr="10.9.4.0/24")
        api.make("port", network_id=found[0]["id"])
    before = rows(network)
    for value in body.values():
        for one in value if isinstance(value, list) else [value]:
            if path != "trunks":
                one["network_id"] = found[0]["id"]
    answer = api.client.post(f"/v2.0/{path}", body)
    assert 400 <= answer.status < 500
    assert rows(network) == before
