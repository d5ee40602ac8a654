"""The guide that brings Identity up by an administrator's token, before there is anybody who could log in.

Its keystone.conf word for word but for the database server, its commands as typed. What today's client wants besides
`OS_TOKEN` and `OS_URL` is that it is told what sort of token that is: `OS_AUTH_TYPE=admin_token`. Each test is a
chapter and needs the ones before it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from tests.clients import OPENSTACK, WITHOUT
from tests.system.client import Refused, Shell
from tests.system.cloud import Cloud, a_cloud, environment, eventually, request

pytestmark = [pytest.mark.skipif(OPENSTACK is None, reason=WITHOUT), pytest.mark.timeout(600)]

GUIDE_CONF = Path(__file__).parents[1] / "kernel" / "guides" / "003-keystone.conf"
TOKEN = "42813d8157799f6b892d"
CONNECTION = "mysql://keystone:KEYSTONE_DBPASS@127.1/keystone"


class Guide:
    """A cloud and the guide's two shells: one with the token, one with its admin-openrc.sh."""

    by_token: Shell
    admin: Shell

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.file = cloud.directory / "etc" / "keystone" / "keystone.conf"
        # 127.1 is how the guide writes 127.0.0.1.
        self.url, self.old_url = (f"http://127.1:{port + cloud.offset}" for port in (5000, 35357))

    def log_in(self) -> None:
        if not answers(self.old_url):  # the system gives this port to outgoing connections as well
            assert "the cloud does without it" in self.logs()
            self.old_url = self.url
        self.by_token = Shell(
            {
                "OS_TOKEN": TOKEN,
                "OS_URL": f"{self.old_url}/v3",
                "OS_IDENTITY_API_VERSION": "3",
                "OS_AUTH_TYPE": "admin_token",
            }
        )
        self.admin = Shell(
            {
                "OS_PROJECT_DOMAIN_ID": "default",
                "OS_USER_DOMAIN_ID": "default",
                "OS_PROJECT_NAME": "admin",
                "OS_TENANT_NAME": "admin",
                "OS_USERNAME": "admin",
                "OS_PASSWORD": "123",
                "OS_AUTH_URL": f"{self.old_url}/v3",
                "OS_IDENTITY_API_VERSION": "3",
            }
        )

    def logs(self) -> str:
        return "".join(file.read_text() for file in (self.cloud.directory / "log").iterdir())


def answers(url: str) -> bool:
    try:
        return request("GET", url).status == 300
    except urllib3.exceptions.HTTPError:
        return False


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guide]:
    with a_cloud(tmp_path_factory.mktemp("guide") / "cloud", "--simulate", "--workers", "2") as cloud:
        reader = Guide(cloud)
        try:
            yield reader
        finally:
            for shell in ("by_token", "admin"):
                if hasattr(reader, shell):
                    getattr(reader, shell).close()


def test_a_start_makes_nothing_but_the_domain(guide: Guide) -> None:
    guide.file.parent.mkdir(parents=True)
    text = GUIDE_CONF.read_text()
    assert CONNECTION in text
    guide.file.write_text(text.replace(CONNECTION, f"sqlite:///{guide.cloud.directory}/keystone.db"))
    command = [sys.executable, "-m", "cumulet.cli.keystone_manage", "db_sync"]
    where = {"CUMULET_STATE_DIR": str(guide.cloud.directory)}
    subprocess.run(command, check=True, capture_output=True, timeout=120, env=environment() | where)
    guide.cloud.up("--by-hand", "identity")
    guide.log_in()
    assert guide.by_token("domain list")[0]["ID"] == "default"
    for noun in ("user", "project", "role", "service", "endpoint"):
        assert guide.by_token(f"{noun} list") == [], noun
    logs = guide.logs()
    assert "admin_token" in logs and TOKEN not in logs
    assert "admin_token" in guide.cloud.run("doctor", check=False).stdout


def test_the_service_and_its_endpoints(guide: Guide) -> None:
    made = guide.by_token("service create --name keystone --description 'OpenStack Identity' identity")
    assert made["type"] == "identity" and made["enabled"]
    for interface, url in (("public", guide.url), ("internal", guide.url), ("admin", guide.old_url)):
        made = guide.by_token(f"endpoint create --region RegionOne identity {interface} {url}/v2.0")
        assert (made["region"], made["service_name"], made["url"]) == ("RegionOne", "keystone", f"{url}/v2.0")


def test_projects_users_and_roles(guide: Guide) -> None:
    for project, description in (("admin", "Admin Project"), ("service", "Service Project"), ("demo", "Demo Project")):
        made = guide.by_token(f"project create --domain default --description '{description}' {project}")
        assert (made["description"], made["domain_id"], made["is_domain"]) == (description, "default", False)
    for user, role in (("admin", "admin"), ("demo", "user")):
        guide.by_token(f"user create --domain default --password 123 {user}")
        guide.by_token(f"role create {role}")
        guide.by_token.text(f"role add --project {user} --user {user} {role}")
    with pytest.raises(Refused, match="409"):
        guide.by_token("role create admin")


def test_those_who_were_made_log_in(guide: Guide) -> None:
    for user, url in (("admin", guide.old_url), ("demo", guide.url)):
        login = "--os-project-domain-id default --os-user-domain-id default --os-auth-type password --os-password 123"
        asked = f"--os-auth-url {url}/v3 {login} --os-project-name {user} --os-username {user}"
        assert "gAAAA" in guide.admin.text(f"{asked} token issue")
    assert "gAAAA" in guide.admin.text("token issue")
    assert {one["Name"] for one in guide.admin("user list")} == {"admin", "demo"}
    assert len(guide.admin("endpoint list")) == 3


def test_the_token_ends_when_it_is_taken_out(guide: Guide) -> None:
    """The guide takes admin_token_auth out of the pipeline; here the option's line goes."""
    url = f"{guide.url}/v3/users"
    assert request("GET", url, token=TOKEN).status == 200
    assert request("GET", url, token=TOKEN + "0").status == 401
    for written in ("", "admin_token =\n"):
        lines = guide.file.read_text().splitlines(keepends=True)
        guide.file.write_text("".join(line for line in lines if not line.startswith("admin_token")))
        guide.file.write_text(guide.file.read_text().replace("[DEFAULT]\n", f"[DEFAULT]\n{written}"))
        guide.cloud.down()
        guide.cloud.up()
        for token in (TOKEN, "", " "):
            assert request("GET", url, token=token).status == 401
    assert "gAAAA" in guide.admin.text("token issue")


def test_the_image_service_is_added(guide: Guide) -> None:
    """User, role, service and endpoints first, as this guide and most do."""
    url = f"http://127.1:{9292 + guide.cloud.offset}"
    guide.admin("user create --domain default --password 123 glance")
    guide.admin.text("role add --project service --user glance admin")
    guide.admin("service create --name glance --description 'OpenStack Image service' image")
    for interface in ("public", "internal", "admin"):
        guide.admin(f"endpoint create --region RegionOne image {interface} {url}")
    guide.cloud.up("--by-hand", "image")
    assert guide.admin("image list") == []
    assert {one["URL"] for one in guide.admin("endpoint list") if one["Service Type"] == "image"} == {url}
    urls = {one["URL"] for one in guide.admin("endpoint list") if one["Service Type"] == "identity"}
    assert urls == {f"{guide.url}/v2.0", f"{guide.old_url}/v2.0"}, "an endpoint made by hand stays as it was made"


def test_compute_starts_before_its_service_is_registered(guide: Guide) -> None:
    """Guide 001 registers Compute and Placement when their processes run already."""
    for file, user in (("nova.conf", "nova"), ("placement.conf", "placement"), ("neutron.conf", "neutron")):
        folder = guide.cloud.directory / "etc" / user
        folder.mkdir()
        login = f"auth_url = {guide.old_url}\nusername = {user}\npassword = {user}\nproject_name = service\n"
        (folder / file).write_text(f"[keystone_authtoken]\n{login}")
    guide.cloud.up("--by-hand", "placement,compute,network")
    for user, name, kind, port, path in (
        ("nova", "OpenStack Compute", "compute", 8774, "/v2.1"),
        ("placement", "Placement API", "placement", 8778, ""),
        ("neutron", "OpenStack Networking", "network", 9696, ""),
    ):
        guide.admin(f"user create --domain default --password {user} {user}")
        guide.admin.text(f"role add --project service --user {user} admin")
        guide.admin(f"service create --name {user} --description '{name}' {kind}")
        for interface in ("public", "internal", "admin"):
            url = f"http://127.0.0.1:{port + guide.cloud.offset}{path}"
            guide.admin(f"endpoint create --region RegionOne {kind} {interface} {url}")
    assert eventually(lambda: guide.admin("hypervisor list"), within_s=120)
    assert {one["Name"] for one in guide.admin("user list")} == {
        "admin",
        "demo",
        "glance",
        "nova",
        "placement",
        "neutron",
    }
    boots(guide)


def boots(guide: Guide) -> None:
    guide.admin("network create private")
    guide.admin("subnet create --network private --subnet-range 10.10.10.0/24 private-subnet")
    guide.admin("flavor create --vcpus 1 --ram 64 --disk 1 m1.nano")
    image = guide.cloud.directory / "cirros.img"
    image.write_bytes(bytes(1 << 20))
    guide.admin(f"image create --disk-format raw --container-format bare --file {image} --public cirros")
    guide.admin("server create --flavor m1.nano --image cirros --network private first")
    shown = eventually(lambda: settled(guide.admin("server show first")), within_s=120)
    assert shown["status"] == "ACTIVE", shown.get("fault")


def settled(server: dict[str, object]) -> dict[str, object] | None:
    return None if server["status"] == "BUILD" else server
