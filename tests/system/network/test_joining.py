"""A host that joins a cloud through a message broker, configured by the files of the install guide."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cumulet.agents.network import names
from tests.brokers import RabbitMq
from tests.system.cloud import Cloud, a_cloud, environment, request
from tests.system.network.lab import Lab, wait_for
from tests.system.network.whole import PATIENCE_S, write_configuration

pytestmark = pytest.mark.rabbitmq


@pytest.fixture
def controller(tmp_path: Path, rabbitmq: RabbitMq) -> Iterator[Cloud]:
    """A cloud whose own hosts are simulated; it asks this machine for nothing."""
    folder = tmp_path / "controller" / "etc" / "neutron"
    folder.mkdir(parents=True)
    (folder / "neutron.conf").write_text(f"[DEFAULT]\ntransport_url = {rabbitmq.transport_url}\n")
    options = ("--simulate", "--services", "identity,network", "--workers", "1")
    with a_cloud(tmp_path / "controller", *options) as made:
        made.up()
        yield made


def test_a_host_joins_through_the_broker(controller: Cloud, rabbitmq: RabbitMq, tmp_path: Path, lab: Lab) -> None:
    write_configuration(tmp_path / "h2", "h2", neutron=f"transport_url = {rabbitmq.transport_url}\n")
    token, url = controller.login(), f"{controller.url('network')}/v2.0"
    command = [sys.executable, "-m", "cumulet.agents.host", "--state-dir", str(tmp_path / "h2")]
    agent = subprocess.Popen([*command, "--services", "network"], env=environment())
    lab.processes.append(agent)

    def binaries() -> list[str]:
        answer = request("GET", f"{url}/agents?host=h2", token=token)
        assert answer.status == 200, answer.data
        agents = answer.json()["agents"]
        return sorted(one["binary"] for one in agents if one["alive"])

    four = [f"neutron-{kind}-agent" for kind in ("dhcp", "l3", "linuxbridge", "metadata")]
    wait_for(lambda: binaries() == four, PATIENCE_S, "the host reports its four agents")

    network = request("POST", f"{url}/networks", token=token, json={"network": {}}).json()["network"]["id"]
    subnet = {"network_id": network, "cidr": "10.9.0.0/24", "ip_version": 4, "enable_dhcp": False}
    request("POST", f"{url}/subnets", token=token, json={"subnet": subnet})
    wanted = {"network_id": network, "binding:host_id": "h2", "device_owner": "compute:nova", "device_id": "server"}
    port = request("POST", f"{url}/ports", token=token, json={"port": wanted}).json()["port"]
    guest = lab.space("guest")
    subprocess.run(
        ["ip", "link", "add", names.tap(port["id"]), "type", "veth", "peer", "name", "eth0", "netns", guest.name],
        check=True,
    )

    def status() -> str:
        return str(request("GET", f"{url}/ports/{port['id']}", token=token).json()["port"]["status"])

    wait_for(lambda: status() == "ACTIVE", PATIENCE_S, "the port is wired")
    agent.terminate()
    assert agent.wait(PATIENCE_S) == 0
    subprocess.run([*command, "--leave"], check=True, env=environment(), timeout=PATIENCE_S)
    assert not Path(f"/sys/class/net/{names.bridge(network)}").exists()
