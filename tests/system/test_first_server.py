"""A first server by `cumulet demo`, and the commands of the install guides around it: nova-manage and nova-status."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.cloud import Cloud, a_cloud, environment, eventually, left_behind, request

CELL0 = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A simulated cloud whose tables were made by the guides' commands before its first start."""
    with a_cloud(tmp_path_factory.mktemp("first"), "--simulate") as made:
        nova(made, "api_db", "sync")
        nova(made, "cell_v2", "map_cell0")
        made.cell1 = nova(made, "cell_v2", "create_cell", "--name=cell1", "--verbose").strip()  # type: ignore[attr-defined]
        nova(made, "db", "sync")
        made.up()
        made.run("demo")
        yield made


def nova(cloud: Cloud, *words: str, program: str = "nova_manage", code: int = 0) -> str:
    """Standard output and error together, as an operator sees them."""
    done = subprocess.run(
        [sys.executable, "-m", f"cumulet.cli.{program}", "--state-dir", str(cloud.directory), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
        env=environment(),
    )
    assert done.returncode == code, f"{words}: {done.returncode}: {done.stdout}"
    return done.stdout


def show(cloud: Cloud, service: str, path: str, user: str = "admin") -> dict[str, Any]:
    answer = request("GET", cloud.url(service) + path, token=cloud.login(user))
    assert answer.status == 200, answer.data
    document: dict[str, Any] = answer.json()
    return document


def test_the_cells_are_those_of_the_guide(cloud: Cloud) -> None:
    cell1 = cloud.cell1  # type: ignore[attr-defined]
    shown = nova(cloud, "cell_v2", "list_cells")
    assert shown.splitlines()[1] == "| Name  | UUID                                 |"
    assert f"| cell0 | {CELL0} |" in shown
    assert f"| cell1 | {cell1} |" in shown
    again = nova(cloud, "cell_v2", "create_cell", "--name=cell1", "--verbose", code=2)
    assert f"already exists for another cell with uuid {cell1}" in again
    assert "Cell0 is already setup" in nova(cloud, "cell_v2", "map_cell0")


def test_hosts_are_discovered_once(cloud: Cloud) -> None:
    assert "No" not in nova(cloud, "cell_v2", "list_hosts")
    first = nova(cloud, "cell_v2", "discover_hosts", "--verbose")
    assert "Skipping cell0 since it does not contain hosts." in first
    assert "Creating host mapping for compute host 'simulated-1'" in first
    second = nova(cloud, "cell_v2", "discover_hosts", "--verbose")
    assert f"Found 0 unmapped computes in cell: {cloud.cell1}" in second  # type: ignore[attr-defined]
    listed = nova(cloud, "cell_v2", "list_hosts")
    assert "simulated-1" in listed
    assert "simulated-2" in listed


def test_everything_is_ready_for_an_upgrade(cloud: Cloud) -> None:
    shown = nova(cloud, "upgrade", "check", program="nova_status")
    for name in ("Cells v2", "Placement API", "Resource Providers"):
        assert f"| Check: {name}" in shown
    assert shown.count("Result: Success") == shown.count("Check: ") == 4


def test_placement_and_servers_agree(cloud: Cloud) -> None:
    assert nova(cloud, "placement", "audit", "--verbose") == ""
    assert "Processed 0 instances." in nova(cloud, "placement", "heal_allocations", code=4)

    server = show(cloud, "compute", "/v2.1/servers", "demo")["servers"][0]
    token = cloud.login()
    allocations = f"{cloud.url('placement')}/allocations/{server['id']}"
    held = request("GET", allocations, token=token).json()["allocations"]
    assert request("DELETE", allocations, token=token).status == 204
    assert f"for instance {server['id']}" in nova(cloud, "placement", "heal_allocations")
    healed = request("GET", allocations, token=token).json()["allocations"]
    assert {key: one["resources"] for key, one in healed.items()} == {k: one["resources"] for k, one in held.items()}


def test_a_second_demo_changes_nothing(cloud: Cloud) -> None:
    def all_there() -> dict[str, object]:
        things = {
            "compute": ("/v2.1/servers/detail", "/v2.1/flavors", "/v2.1/os-keypairs"),
            "network": ("/v2.0/networks", "/v2.0/ports", "/v2.0/routers", "/v2.0/floatingips", "/v2.0/security-groups"),
            "image": ("/v2/images",),
        }
        return {path: show(cloud, service, path, "demo") for service, paths in things.items() for path in paths}

    before = all_there()
    assert "demo-server runs" in cloud.run("demo").stdout
    assert all_there() == before


def test_the_demo_is_what_the_guides_tell(cloud: Cloud) -> None:
    server = show(cloud, "compute", "/v2.1/servers/detail", "demo")["servers"][0]
    assert (server["name"], server["status"], server["key_name"]) == ("demo-server", "ACTIVE", "demo")
    addresses = {one["OS-EXT-IPS:type"]: one["addr"] for one in server["addresses"]["private"]}
    assert addresses["fixed"].startswith("10.0.0.")
    floating = show(cloud, "network", "/v2.0/floatingips", "demo")["floatingips"][0]
    assert floating["fixed_ip_address"] == addresses["fixed"]
    key = cloud.directory / "keys" / "demo_key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text().startswith("-----BEGIN OPENSSH PRIVATE KEY-----")


def test_a_server_that_found_no_host_is_explained(cloud: Cloud) -> None:
    token = cloud.login("demo")
    url = f"{cloud.url('compute')}/v2.1/servers"
    image = show(cloud, "image", "/v2/images", "demo")["images"][0]["id"]
    server = {"name": "huge", "flavorRef": "huge", "imageRef": image}
    flavor = {"name": "huge", "vcpus": 1, "ram": 128, "disk": 100_000, "id": "huge"}
    flavors = f"{cloud.url('compute')}/v2.1/flavors"
    assert request("POST", flavors, token=cloud.login(), json={"flavor": flavor}).status == 200
    made = request("POST", url, token=token, json={"server": server})
    assert made.status == 202, made.data
    server_id = made.json()["server"]["id"]

    def status() -> str:
        return str(request("GET", f"{url}/{server_id}", token=token).json()["server"]["status"])

    assert eventually(lambda: status() == "ERROR", within_s=60)
    told = cloud.run("explain", server_id).stdout
    assert f"Server huge ({server_id}) is ERROR, on no host." in told
    assert "Why: No valid host was found." in told
    assert re.search(r"(?i)disk", told)
    assert "create" in told
    assert cloud.run("explain", "nobody", check=False).returncode == 1
    assert request("DELETE", f"{url}/{server_id}", token=token).status == 204


def test_who_can_reach_a_server_is_explained(cloud: Cloud) -> None:
    told = cloud.run("explain", "demo-server").stdout
    address = show(cloud, "network", "/v2.0/floatingips", "demo")["floatingips"][0]["floating_ip_address"]
    assert f", from outside {address}." in told
    assert told.count("is let in from anywhere") == 2, "the demo's rules for ssh and ping"
    assert "!" not in told

    token, url = cloud.login("demo"), f"{cloud.url('compute')}/v2.1/servers"
    demo = show(cloud, "compute", "/v2.1/servers/detail", "demo")["servers"][0]
    network = show(cloud, "network", "/v2.0/networks?name=private", "demo")["networks"][0]["id"]
    wanted = {"name": "lonely", "flavorRef": "42", "imageRef": demo["image"]["id"], "networks": [{"uuid": network}]}
    made = request("POST", url, token=token, json={"server": wanted})
    assert made.status == 202, made.data
    server_id = made.json()["server"]["id"]
    assert eventually(lambda: "is ACTIVE" in cloud.run("explain", server_id).stdout, within_s=60)
    told = cloud.run("explain", server_id).stdout
    assert "no floating IP (openstack floating ip create public; openstack server add floating ip lonely" in told
    assert "! ssh is let in only from servers of security group default" in told
    assert "openstack security group rule create --protocol icmp" in told
    assert "It has no key pair" in told
    assert request("DELETE", f"{url}/{server_id}", token=token).status == 204
    assert eventually(lambda: request("GET", f"{url}/{server_id}", token=token).status == 404, within_s=60)


def test_another_host_joins_comes_back_and_leaves(cloud: Cloud, tmp_path: Path) -> None:
    bus = cloud.directory / "run" / "bus"
    words = ["join", "--simulate", "--host", "extra", "--bus", str(bus), "--state-dir", str(tmp_path / "extra")]
    joined = subprocess.Popen([sys.executable, "-m", "cumulet.cli.main", *words], env=environment())
    try:

        def is_up() -> bool:
            services = show(cloud, "compute", "/v2.1/os-services")["services"]
            return any(one["host"] == "extra" and one["state"] == "up" for one in services)

        assert eventually(is_up, within_s=60)
        assert "compute host 'extra'" in nova(cloud, "cell_v2", "discover_hosts", "--verbose")
        children = Path(f"/proc/{joined.pid}/task/{joined.pid}/children")
        first = children.read_text().split()
        os.kill(int(first[0]), signal.SIGKILL)
        assert eventually(lambda: children.read_text().split() not in ([], first), within_s=60)
    finally:
        joined.terminate()
        assert joined.wait(60) == 0
    assert eventually(lambda: not left_behind(tmp_path / "extra"), within_s=30)


def test_deleted_servers_are_archived_and_purged(cloud: Cloud) -> None:
    """The last test: it takes the demo's server away and lets the demo make another."""
    token = cloud.login("demo")
    server = show(cloud, "compute", "/v2.1/servers", "demo")["servers"][0]
    url = f"{cloud.url('compute')}/v2.1/servers/{server['id']}"
    nova(cloud, "db", "archive_deleted_rows", "--until-complete", "--purge")
    assert "Nothing was archived." in nova(cloud, "db", "archive_deleted_rows", "--verbose")
    assert request("DELETE", url, token=token).status == 204
    cloud.run("demo")  # waits for a new one, and with it for nothing of the old one
    assert eventually(lambda: request("GET", url, token=token).status == 404, within_s=60)
    archived = nova(cloud, "db", "archive_deleted_rows", "--verbose", code=1)
    assert re.search(r"\| +servers +\| +1 +\|", archived)
    assert "Deleted" in nova(cloud, "db", "purge", "--all", "--verbose")
    nova(cloud, "db", "purge", "--all", code=3)
    assert nova(cloud, "placement", "audit") == ""
