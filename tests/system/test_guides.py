"""What the install guides type to bring services in one by one, on a cloud that begins with Identity alone.

The confs name the passwords that the guides choose, users and endpoints are made by hand, tables by the commands of
each service; then the rest starts and a server runs. Hosts are simulated; test_tutorial.py has real ones. Each test is
a chapter and needs the ones before it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import OPENSTACK, WITHOUT
from tests.system.client import OpenStack
from tests.system.cloud import TIMEOUT_S, Cloud, a_cloud, environment, eventually

pytestmark = [pytest.mark.skipif(OPENSTACK is None, reason=WITHOUT), pytest.mark.timeout(900)]

CONVERGE_S = 120.0
# conf, service, type, description, port, what follows it in the endpoint
SERVICES = (
    ("glance-api.conf", "glance", "image", "OpenStack Image", 9292, ""),
    ("placement.conf", "placement", "placement", "Placement API", 8778, ""),
    ("nova.conf", "nova", "compute", "OpenStack Compute", 8774, "/v2.1"),
    ("neutron.conf", "neutron", "network", "OpenStack Networking", 9696, ""),
)
AUTHTOKEN = """\
[keystone_authtoken]
www_authenticate_uri = {url}
auth_url = {url}
memcached_servers = 127.0.0.1:11211
auth_type = password
project_domain_name = Default
user_domain_name = Default
project_name = service
username = {user}
password = {user}-password-of-the-guide
"""


class Guide:
    """A reader of the guides at work."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.keystone = f"http://127.0.0.1:{5000 + cloud.offset}"
        self.login: OpenStack

    def openstack(self, command: str, *more: str) -> str:
        return self.login.text(command, *more)

    def manage(self, program: str, *words: str) -> str:
        command = [sys.executable, "-m", f"cumulet.cli.{program}", "--state-dir", str(self.cloud.directory), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, env=environment())
        assert done.returncode == 0, f"{program} {words}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guide]:
    with a_cloud(tmp_path_factory.mktemp("guide") / "cloud", "--simulate", "--workers", "1") as cloud:
        reader = Guide(cloud)
        try:
            yield reader
        finally:
            if hasattr(reader, "login"):
                reader.login.close()


def test_keystone_is_brought_up_by_its_own_commands(guide: Guide) -> None:
    for file, user, *_ in SERVICES:
        folder = guide.cloud.directory / "etc" / user
        folder.mkdir(parents=True)
        (folder / file).write_text(AUTHTOKEN.format(url=guide.keystone, user=user))
    guide.manage("keystone_manage", "db_sync")
    for keys in ("fernet_setup", "credential_setup"):
        guide.manage("keystone_manage", keys, "--keystone-user", "root", "--keystone-group", "root")
    kinds = ("admin", "internal", "public")
    urls = (word for kind in kinds for word in (f"--bootstrap-{kind}-url", f"{guide.keystone}/v3/"))
    guide.manage(
        "keystone_manage", "bootstrap", "--bootstrap-password", "admin", *urls, "--bootstrap-region-id", "RegionOne"
    )
    guide.cloud.up("--services", "identity")
    guide.login = OpenStack(guide.cloud, "admin")
    assert "gAAAA" in guide.openstack("token issue")
    asked = f"--os-auth-url {guide.keystone}/v3 --os-project-name admin --os-username admin --os-password admin"
    assert "gAAAA" in guide.openstack(f"{asked} token issue")


def test_projects_users_and_roles(guide: Guide) -> None:
    guide.openstack("domain create example --description", "An Example Domain")
    guide.openstack("project create --domain default service --description", "Service Project")
    guide.openstack("project create --domain default myproject --description", "Demo Project")
    guide.openstack("user create --domain default --password myuser myuser")
    guide.openstack("role create myrole")
    guide.openstack("role add --project myproject --user myuser myrole")
    asked = f"--os-auth-url {guide.keystone}/v3 --os-project-name myproject --os-username myuser --os-password myuser"
    assert "gAAAA" in guide.openstack(f"{asked} token issue")


@pytest.mark.parametrize("user, kind, name, port, path", [one[1:] for one in SERVICES], ids=lambda one: str(one))
def test_a_service_with_its_user_and_endpoints(
    guide: Guide, user: str, kind: str, name: str, port: int, path: str
) -> None:
    guide.openstack(f"user create --domain default --password {user}-password-of-the-guide {user}")
    guide.openstack(f"role add --project service --user {user} admin")
    guide.openstack(f"service create --name {user} {kind} --description", name)
    url = f"http://127.0.0.1:{port + guide.cloud.offset}{path}"
    for interface in ("public", "internal", "admin"):
        guide.openstack(f"endpoint create --region RegionOne {kind} {interface} {url}")


def test_tables_are_made_by_each_services_command(guide: Guide) -> None:
    guide.manage("glance_manage", "db_sync")
    guide.manage("placement_manage", "db", "sync")
    guide.manage("nova_manage", "api_db", "sync")
    guide.manage("nova_manage", "cell_v2", "map_cell0")
    guide.manage("nova_manage", "cell_v2", "create_cell", "--name=cell1", "--verbose")
    guide.manage("nova_manage", "db", "sync")
    assert "cell1" in guide.manage("nova_manage", "cell_v2", "list_cells")
    neutron = guide.cloud.directory / "etc" / "neutron" / "neutron.conf"
    guide.manage("neutron_db_manage", "--config-file", str(neutron), "upgrade", "head")


def test_everything_starts_on_what_was_made_by_hand(guide: Guide) -> None:
    guide.cloud.down()
    guide.cloud.up("--services", "all")
    listed = guide.login("service list")
    assert len({one["Type"] for one in listed}) == len(listed), "no service is there twice"
    ends = [(one["Service Type"], one["Interface"]) for one in guide.login("endpoint list")]
    assert len(set(ends)) == len(ends), "nor an endpoint"
    assert eventually(lambda: "nova-compute" in guide.openstack("compute service list"), within_s=CONVERGE_S)
    assert guide.manage("nova_status", "upgrade", "check").count("Result: Success") == 4
    guide.manage("placement_status", "upgrade", "check")
    assert "Creating host mapping" in guide.manage("nova_manage", "cell_v2", "discover_hosts", "--verbose")
    assert "compute" in guide.openstack("host list")


def test_an_image_by_glances_own_client_and_a_server_of_it(guide: Guide, tmp_path: Path) -> None:
    file = tmp_path / "cirros.img"
    file.write_bytes(bytes(1 << 20))
    login = {"OS_AUTH_URL": f"{guide.keystone}/v3", "OS_USERNAME": "admin", "OS_PASSWORD": "admin"}
    login |= {"OS_PROJECT_NAME": "admin", "OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default"}
    words = [str(Path(str(OPENSTACK)).with_name("glance")), "image-create", "--name", "cirros", "--file", str(file)]
    words += ["--disk-format", "raw", "--container-format", "bare", "--visibility", "public", "--progress"]
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env=environment() | login | {"HOME": os.environ["HOME"]},
    )
    assert done.returncode == 0, done.stderr
    guide.openstack("network create private")
    guide.openstack("subnet create --network private --subnet-range 10.10.10.0/24 private-subnet")
    guide.openstack("flavor create --vcpus 1 --ram 64 --disk 1 m1.nano")
    guide.openstack("server create --flavor m1.nano --image cirros --network private first")

    def settled() -> dict[str, object] | None:
        shown: dict[str, object] = guide.login("server show first")
        return None if shown["status"] == "BUILD" else shown

    shown = eventually(settled, within_s=CONVERGE_S)
    assert shown["status"] == "ACTIVE", shown.get("fault")
    guide.openstack("volume create --size 10 disk")
    assert eventually(lambda: guide.login("volume show disk")["status"] == "available", within_s=CONVERGE_S)
    guide.openstack("server add volume first disk")
    guide.openstack("server delete --wait first")
    assert "instances" in guide.openstack("quota show")
