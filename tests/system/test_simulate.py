"""`cumulet simulate`: two hundred hosts beside a simulated cloud's own, started, killed and started again."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.system.cloud import Cloud, a_cloud, environment, eventually, request

HOSTS = 200
SERVERS = 20
DOWN_S = 25
PATIENCE_S = 120.0


@dataclass
class Api:
    """An administrator at the services' ports."""

    cloud: Cloud
    token: str

    def __call__(self, method: str, port: int, path: str, body: Any = None) -> Any:
        url = f"http://127.0.0.1:{port + self.cloud.offset}{path}"
        answer = request(method, url, token=self.token, json=body) if body else request(method, url, token=self.token)
        assert answer.status < 300, (method, path, answer.data)
        return json.loads(answer.data) if answer.data else None

    def hosts(self) -> dict[str, str]:
        services = self("GET", 8774, "/v2.1/os-services?binary=nova-compute")["services"]
        return {one["host"]: one["state"] for one in services if one["host"].startswith("sim-")}

    def servers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self("GET", 8774, "/v2.1/servers/detail?name=many")["servers"]
        return found


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A simulated cloud with what a server needs: a flavor, an image, a network."""
    folder = tmp_path_factory.mktemp("cloud")
    conf = folder / "nova.conf"
    conf.write_text(f"[DEFAULT]\nservice_down_time = {DOWN_S}\n[quota]\ninstances = -1\ncores = -1\nram = -1\n")
    services = "identity,placement,image,network,compute"
    options = ("--simulate", "--workers", "2", "--services", services, "--config-file", f"nova={conf}")
    with a_cloud(folder / "state", *options) as cloud:
        cloud.up()
        yield Api(cloud, cloud.login())


@contextlib.contextmanager
def simulated(cloud: Cloud, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`cumulet simulate`, from when every host is known."""
    process = subprocess.Popen(
        cloud.command("simulate", "--hosts", str(HOSTS), *options),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(),
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = ""
        while "simulated hosts are known" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        assert " KB each" in said
        yield process
    finally:
        process.kill()
        process.wait()


def _make_servers(api: Api) -> None:
    flavor = api(
        "POST", 8774, "/v2.1/flavors", {"flavor": {"name": "tiny", "ram": 64, "vcpus": 1, "disk": 1}}
    )["flavor"]  # fmt: skip
    image = api("POST", 9292, "/v2/images", {"name": "raw", "disk_format": "raw", "container_format": "bare"})
    url = f"http://127.0.0.1:{9292 + api.cloud.offset}/v2/images/{image['id']}/file"
    headers = {"X-Auth-Token": api.token, "Content-Type": "application/octet-stream"}
    assert _put(url, bytes(4096), headers) == 204
    network = api("POST", 9696, "/v2.0/networks", {"network": {"name": "many"}})["network"]
    subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.1.0.0/16"}
    api("POST", 9696, "/v2.0/subnets", {"subnet": subnet})
    body = {"name": "many", "imageRef": image["id"], "flavorRef": flavor["id"], "networks": [{"uuid": network["id"]}]}
    body |= {"min_count": SERVERS, "max_count": SERVERS}
    api("POST", 8774, "/v2.1/servers", {"server": body})
    eventually(lambda: all(one["status"] == "ACTIVE" for one in api.servers()), PATIENCE_S)
    ports = f"/v2.0/ports?network_id={network['id']}&device_owner=compute:nova&fields=status"
    eventually(
        lambda: {one["status"] for one in api("GET", 9696, ports)["ports"]} == {"ACTIVE"}, PATIENCE_S
    )  # plugged by hosts that have no agent of their own


def _put(url: str, data: bytes, headers: dict[str, str]) -> int:
    import urllib3

    with urllib3.PoolManager() as pool:
        return pool.request("PUT", url, body=data, headers=headers, timeout=30).status


def test_hosts_carry_servers_die_and_have_them_again(api: Api) -> None:
    with simulated(api.cloud, "--delay", "spawn=0.01-0.05") as process:
        assert len(api.hosts()) == HOSTS and set(api.hosts().values()) == {"up"}
        providers = api("GET", 8778, "/resource_providers")["resource_providers"]
        assert {one["name"] for one in providers} >= api.hosts().keys()
        _make_servers(api)
        before = {one["id"]: one["OS-EXT-SRV-ATTR:host"] for one in api.servers()}
        assert len(set(before.values())) > SERVERS // 2
        process.send_signal(signal.SIGKILL)
        process.wait()
        eventually(lambda: set(api.hosts().values()) == {"down"}, DOWN_S + PATIENCE_S)
    on_fleet = [server for server, host in before.items() if host.startswith("sim-")]
    with simulated(api.cloud) as process:
        eventually(lambda: set(api.hosts().values()) == {"up"}, PATIENCE_S)
        assert {one["id"]: one["OS-EXT-SRV-ATTR:host"] for one in api.servers()} == before
        assert Counter(one["status"] for one in api.servers()) == {"ACTIVE": SERVERS}
        api("POST", 8774, f"/v2.1/servers/{on_fleet[0]}/action", {"os-stop": None})
        eventually(
            lambda: api("GET", 8774, f"/v2.1/servers/{on_fleet[0]}")["server"]["status"] == "SHUTOFF", PATIENCE_S
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    links = [entry.name for entry in (Path(api.cloud.directory) / "run" / "bus").iterdir()]
    assert not [name for name in links if name.startswith("sim-")]


def test_a_knob_that_is_none_is_told(api: Api) -> None:
    told = api.cloud.run("simulate", "--hosts", "1", "--delay", "sprawn=1", check=False)
    assert told.returncode == 1 and "Methods: *, abort_live" in told.stderr


def test_a_fault_ends_where_its_user_sees_it(api: Api) -> None:
    """Every spawn on the fleet fails, so a server that is sent there says why."""
    with simulated(api.cloud, "--fault", "spawn=the disk is full"):
        image = api("GET", 9292, "/v2/images?name=raw")["images"][0]["id"]
        flavor = api("GET", 8774, "/v2.1/flavors")["flavors"][0]["id"]
        body = {"name": "failing", "imageRef": image, "flavorRef": flavor, "networks": "none"}
        url = f"http://127.0.0.1:{8774 + api.cloud.offset}/v2.1/servers"
        version = {"X-Auth-Token": api.token, "OpenStack-API-Version": "compute 2.74"}
        made = _post(url, {"server": {**body, "host": "sim-00150"}}, version)
        server = eventually(
            lambda: (found := api("GET", 8774, f"/v2.1/servers/{made}")["server"])["status"] == "ERROR" and found,
            PATIENCE_S,
        )
        assert "the disk is full" in server["fault"]["message"]


def _post(url: str, body: Any, headers: dict[str, str]) -> str:
    import urllib3

    with urllib3.PoolManager() as pool:
        answer = pool.request("POST", url, json=body, headers=headers, timeout=30)
    assert answer.status == 202, answer.data
    return str(json.loads(answer.data)["server"]["id"])
