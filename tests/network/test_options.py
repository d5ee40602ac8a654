"""The guides' neutron.conf and ml2_conf.ini, the database command, and what single options change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cumulet.cli import neutron_db_manage
from cumulet.kernel.environment import Environment
from cumulet.kernel.settings import Settings
from cumulet.network import app, options
from tests.network.support import Api, make_network, refusal

GUIDES = Path(__file__).parents[1] / "kernel" / "guides"


@pytest.fixture
def guided(database_url: str, tmp_path: Path) -> Iterator[Api]:
    """A member's view of a cloud with the guide's ml2_conf.ini: provider networks on `external`, none of one's own."""
    network = make_network(database_url, tmp_path, (GUIDES / "004-ml2_conf.ini").read_text())
    yield Api(network)
    network.db.close()


def test_the_guides_options_are_read(tmp_path: Path) -> None:
    environment = Environment(Settings(state_dir=str(tmp_path)))
    environment.paths.make()
    etc = environment.paths.config / "neutron"
    (etc / "plugins" / "ml2").mkdir(parents=True)
    (etc / "neutron.conf").write_text((GUIDES / "004-neutron.conf").read_text())
    (etc / "plugins" / "ml2" / "ml2_conf.ini").write_text((GUIDES / "004-ml2_conf.ini").read_text())
    conf = environment.config("neutron")
    options.register(conf)
    assert conf.database.connection == "mysql+pymysql://neutron:neutron123@openstack-vip.magedu.local/neutron"
    assert conf.notify_nova_on_port_status_changes is True
    assert conf.ml2.type_drivers == ["flat", "vlan"] and conf.ml2_type_flat.flat_networks == ["external"]


def test_the_guides_network_is_the_only_kind_there_is(guided: Api) -> None:
    admin = guided.as_("admin")
    flat = {"provider:network_type": "flat", "provider:physical_network": "external"}
    network = admin.make("network", name="external-net", shared=True, **{"router:external": True}, **flat)
    subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "172.31.0.0/21", "gateway_ip": "172.31.0.2"}
    pool = [{"start": "172.31.7.101", "end": "172.31.7.250"}]
    admin.make("subnet", name="external-sub", allocation_pools=pool, dns_nameservers=["223.6.6.6"], **subnet)
    assert guided.make("port", network_id=network["id"])["fixed_ips"][0]["ip_address"] == "172.31.7.101"
    assert refusal(guided.client.post("/v2.0/networks", {"network": {}})) == (503, "NoNetworkAvailable")
    elsewhere = {"network": {**flat, "provider:physical_network": "elsewhere"}}
    assert refusal(admin.client.post("/v2.0/networks", elsewhere)) == (400, "InvalidInput")
    assert refusal(admin.client.post("/v2.0/networks", {"network": {"provider:network_type": "vxlan"}}))[0] == 400


def test_neutron_db_manage_as_the_guides_type_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = []
    for name in ("neutron.conf", "ml2_conf.ini"):
        file = tmp_path / name
        file.write_text(f"[database]\nconnection = sqlite:///{tmp_path}/guided/neutron.sqlite\n")
        files += ["--config-file", str(file)]
    state = ["--state-dir", str(tmp_path / "state")]
    for command, wanted in ((["upgrade", "head"], "OK"), (["current"], app.SCHEMA.head), (["upgrade", "heads"], "OK")):
        with pytest.raises(SystemExit) as ended:
            neutron_db_manage.main([*files, *state, *command])
        assert ended.value.code == 0 and wanted in capsys.readouterr().out
    for wrong in (["upgrade"], ["upgrade", "liberty"]):
        with pytest.raises(SystemExit) as ended:
            neutron_db_manage.main([*files, *state, *wrong])
        assert ended.value.code == 1


def test_limits_of_single_options_are_heeded(database_url: str, tmp_path: Path) -> None:
    lines = (
        "max_dns_nameservers = 1\nmax_allowed_address_pair = 1\npagination_max_limit = 2\ndns_domain = cloud.test.\n"
    )
    network = make_network(database_url, tmp_path, lines + "base_mac = fa:16:3e:77:00:00\nglobal_physnet_mtu = 9000\n")
    api = Api(network)
    made, _ = api.network_with("10.91.0.0/24")
    assert made["mtu"] == 8950
    ports = [api.make("port", network_id=made["id"], dns_name="web") for _ in range(3)]
    assert all(port["mac_address"].startswith("fa:16:3e:77:") for port in ports)
    assert ports[0]["dns_assignment"][0]["fqdn"] == "web.cloud.test."
    assert len(api.list("port", "?limit=50")) == len(api.list("port")) == 2
    pairs = [{"ip_address": "10.91.0.8"}, {"ip_address": "10.91.0.9"}]
    answer = api.client.put(f"/v2.0/ports/{ports[0]['id']}", {"port": {"allowed_address_pairs": pairs}})
    assert refusal(answer) == (400, "AllowedAddressPairExhausted")
    network.db.close()
