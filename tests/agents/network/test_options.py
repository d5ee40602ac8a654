"""The agent reads the files that the install guides write."""

from __future__ import annotations

from pathlib import Path

import pytest

from cumulet.agents.network.options import load

GUIDES = Path(__file__).parents[2] / "kernel" / "guides"


def test_a_guides_files() -> None:
    names = ("neutron.conf", "ml2_conf.ini", "linuxbridge_agent.ini", "dhcp_agent.ini", "metadata_agent.ini")
    found = load([GUIDES / f"004-{name}" for name in names], Path("/state"), host="compute1")
    assert found.host == "compute1"
    assert found.physical_interface_mappings == {"external": "eth0"}
    assert found.local_ip is None
    assert found.enable_security_group
    assert found.enable_isolated_metadata
    assert found.metadata_host == "openstack-vip.magedu.local"
    assert found.metadata_secret == "2GosJ41hQbkcku8"


def test_without_files_everything_has_a_value(tmp_path: Path) -> None:
    found = load([], tmp_path)
    assert found.host
    assert (found.metadata_host, found.metadata_port, found.vxlan_port) == ("127.0.0.1", 8775, 4789)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[linux_bridge]\nphysical_interface_mappings = eth0\n", "physical_interface_mappings"),
        ("[linux_bridge]\nphysical_interface_mappings = a:eth0,b:eth0\n", "eth0 is there twice"),
        ("[linux_bridge]\nbridge_mappings = a:\n", "bridge_mappings"),
        ("[vxlan]\nlocal_ip = 10.0.0.300\n", "local_ip"),
        ("[DEFAULT]\ndnsmasq_dns_servers = dns.example.org\n", "dnsmasq_dns_servers"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(tmp_path: Path, text: str, names: str) -> None:
    file = tmp_path / "agent.ini"
    file.write_text(text)
    with pytest.raises(ValueError, match=names):
        load([file], tmp_path)
