"""What a guest is told: by the metadata service through Network's proxy, and on its config drive."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cumulet import services
from cumulet.agents.compute.protocols import Guest
from cumulet.agents.network.metadata import http
from cumulet.compute import app
from cumulet.compute.domain import instance_documents
from cumulet.compute.metadata.application import MetadataService
from cumulet.kernel.client import Response
from tests.compute.support import IMAGE_ID, NETWORK_ID, Cloud
from tests.support import Client

SECRET = "a secret of the operator's"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBLTfbdkfZ6TBOCVDQXkGlz0SXjKFKCEkyhyqzwzTUqE owner@laptop"  # a public one
USER_DATA = b"#!/bin/sh\necho hello \xe2\x98\xba\n"


class Asking:
    """Asks as the proxy does for a server."""

    def __init__(self, cloud: Cloud, server_id: str, project_id: str = "project") -> None:
        self._client = Client(MetadataService(cloud.service, SECRET))
        self.server_id = server_id
        self.headers = {
            "X-Instance-ID": server_id,
            "X-Tenant-ID": project_id,
            "X-Instance-ID-Signature": http.signature(SECRET, server_id),
            "X-Forwarded-For": "10.0.0.7",
        }

    def ask(self, path: str, method: str = "GET", **rest: Any) -> Response:
        return self._client.request(method, path, headers=self.headers | rest.pop("headers", {}), **rest)

    def text(self, path: str) -> str:
        answer = self.ask(path)
        assert answer.status == 200, (path, answer.status, answer.body)
        return answer.body.decode()

    def json(self, path: str) -> Any:
        return json.loads(self.text(path))


def boot(cloud: Cloud, **fields: Any) -> Any:
    cloud.json(
        "POST", "/v2.1/os-keypairs", status=201, json={"keypair": {"name": "laptop", "public_key": KEY, "type": "ssh"}}
    )
    given = {
        "name": "My Server",
        "key_name": "laptop",
        "metadata": {"role": "web"},
        "user_data": base64.b64encode(USER_DATA).decode(),
    }
    return cloud.active(**(given | fields))


def spawned_on(cloud: Cloud) -> list[Guest]:
    """The guests that node1 is asked for from now on."""
    host, found = cloud.hosts["node1"], []
    spawn = host.spawn

    def remember(guest: Guest) -> None:
        found.append(guest)
        spawn(guest)

    host.spawn = remember  # type: ignore[method-assign]
    return found


def test_openstack_documents(running: Cloud) -> None:
    server = boot(running)
    guest = Asking(running, server["id"])
    versions = guest.text("/openstack").split("\n")
    assert versions == [*instance_documents.VERSIONS, "latest"]
    assert guest.text("/openstack/2012-08-10").split("\n") == ["meta_data.json", "user_data"]
    assert guest.text("/openstack/latest/").split("\n") == [
        "meta_data.json",
        "user_data",
        "password",
        "vendor_data.json",
        "network_data.json",
        "vendor_data2.json",
    ]
    meta = guest.json("/openstack/latest/meta_data.json")
    assert len(base64.b64decode(meta.pop("random_seed"))) == 512
    assert meta == {
        "uuid": server["id"],
        "meta": {"role": "web"},
        "public_keys": {"laptop": KEY},
        "keys": [{"name": "laptop", "type": "ssh", "data": KEY}],
        "hostname": "my-server.novalocal",
        "name": "My Server",
        "launch_index": 0,
        "availability_zone": "nova",
        "project_id": "project",
        "devices": [],
        "dedicated_cpus": [],
    }
    assert "random_seed" not in guest.json("/openstack/2012-08-10/meta_data.json")
    assert guest.ask("/openstack/latest/user_data").body == USER_DATA
    assert guest.json("/openstack/latest/vendor_data.json") == {}
    assert guest.json("/openstack/latest/vendor_data2.json") == {"static": {}}
    for missing in ("/openstack/2012-08-10/vendor_data.json", "/openstack/2011-01-01", "/openstack/latest/nothing"):
        assert guest.ask(missing).status == 404


def test_devices_with_tags(running: Cloud) -> None:
    volume = running.volume.add()
    image = {"source_type": "image", "destination_type": "local", "uuid": IMAGE_ID, "boot_index": 0}
    disk = {"source_type": "volume", "destination_type": "volume", "uuid": volume, "boot_index": -1, "tag": "data"}
    server = running.active(
        networks=[{"uuid": NETWORK_ID, "tag": "front"}, {"uuid": NETWORK_ID}], block_device_mapping_v2=[image, disk]
    )
    guest = Asking(running, server["id"])
    [nic, found] = guest.json("/openstack/latest/meta_data.json")["devices"]
    macs = [one["OS-EXT-IPS-MAC:mac_addr"] for one in server["addresses"]["private"]]
    assert nic == {
        "type": "nic",
        "mac": macs[0],
        "bus": "pci",
        "address": "0000:03:00.0",
        "tags": ["front"],
        "vf_trusted": False,
    }
    assert found == {
        "type": "disk",
        "path": "/dev/vdb",
        "serial": volume,
        "bus": "pci",
        "address": "0000:02:00.0",
        "tags": ["data"],
    }
    running.hosts["node1"].faults.errors["addresses"] = "not now"
    unknown = guest.json("/openstack/latest/meta_data.json")["devices"]
    assert [(one["bus"], one["address"]) for one in unknown] == [("none", "none")] * 2
    assert "vf_trusted" not in guest.json("/openstack/2016-06-30/meta_data.json")["devices"][0]
    assert "devices" not in guest.json("/openstack/2015-10-15/meta_data.json")
    assert guest.text("/latest/meta-data/block-device-mapping/ebs0") == "/dev/vdb"


def test_network_data(running: Cloud) -> None:
    server = boot(running)
    [(_, [address])] = server["addresses"].items()
    shown = Asking(running, server["id"]).json("/openstack/latest/network_data.json")
    [link] = shown["links"]
    assert (
        link["ethernet_mac_address"] == address["OS-EXT-IPS-MAC:mac_addr"] and link["id"] == "tap" + link["vif_id"][:11]
    )
    [network] = shown["networks"]
    assert network["link"] == link["id"] and network["type"] == "ipv4_dhcp"
    running.network.subnet |= {"enable_dhcp": False}
    shown = Asking(running, server["id"]).json("/openstack/latest/network_data.json")
    assert shown["networks"] == [
        {
            "id": "network0",
            "type": "ipv4",
            "ip_address": address["addr"],
            "netmask": "255.255.255.0",
            "routes": [
                {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.0.1"},
                {"network": "192.168.7.0", "netmask": "255.255.255.0", "gateway": "10.0.0.254"},
            ],
            "services": [{"type": "dns", "address": "10.0.0.53"}],
            "link": link["id"],
            "network_id": network["network_id"],
        }
    ]
    assert shown["services"] == [{"type": "dns", "address": "10.0.0.53"}] and shown["links"][0]["mtu"] == 1450


def test_ec2_documents(running: Cloud) -> None:
    server = boot(running)
    guest = Asking(running, server["id"])
    assert guest.text("/").split("\n") == [*instance_documents.EC2_VERSIONS, "latest"]
    assert guest.text("/2009-04-04/").split("\n") == ["meta-data/", "user-data"]
    listed = guest.text("/latest/meta-data/").split("\n")
    assert {"ami-id", "public-keys/", "placement/", "block-device-mapping/", "instance-action"} <= set(listed)
    assert guest.text("/latest/meta-data/public-keys/") == "0=laptop"
    assert guest.text("/latest/meta-data/public-keys/0/") == "openssh-key"
    assert guest.text("/latest/meta-data/public-keys/0/openssh-key") == KEY
    assert guest.text("/latest/meta-data/instance-id") == "i-" + server["OS-EXT-SRV-ATTR:instance_name"][-8:]
    assert guest.text("/latest/meta-data/security-groups") == "default"
    assert guest.text("/latest/meta-data/block-device-mapping/root") == "/dev/vda"
    assert guest.text("/latest/meta-data/placement/availability-zone") == "nova"
    [(_, [address])] = server["addresses"].items()
    assert guest.text("/latest/meta-data/local-ipv4") == address["addr"]
    assert guest.ask("/latest/user-data").body == USER_DATA
    old = guest.text("/1.0/meta-data/").split("\n")
    assert "public-ipv4" not in old and "instance-type" not in old
    assert guest.ask("/2099-01-01/meta-data/").status == 404
    assert guest.ask("/latest/meta-data/nothing").status == 404


def test_only_the_proxy_is_believed(running: Cloud) -> None:
    mine, others = boot(running), running.active(token="other")
    guest = Asking(running, mine["id"])
    path = "/openstack/latest/meta_data.json"
    assert guest.ask(path).status == 200
    # Another server's id with the signature of one's own.
    assert guest.ask(path, headers={"X-Instance-ID": others["id"], "X-Tenant-ID": "other"}).status == 403
    # A signature by another secret, or none of any kind.
    forged = hmac.new(b"guessed", mine["id"].encode(), hashlib.sha256).hexdigest()
    for signature in (forged, "", "x" * 64, http.signature(SECRET, mine["id"])[:-1], "\xe4\xf6\xfc"):
        answer = guest.ask(path, headers={"X-Instance-ID-Signature": signature})
        assert answer.status == 403 and b"uuid" not in answer.body
    # The right signature with another project: the two come from one port, so one of them is wrong.
    assert Asking(running, mine["id"], "other").ask(path).status == 404
    for header in ("X-Instance-ID", "X-Tenant-ID", "X-Instance-ID-Signature"):
        without = {name: value for name, value in guest.headers.items() if name != header}
        answer = Client(MetadataService(running.service, SECRET)).get(path, headers=without)
        assert answer.status == 400 and header.encode() in answer.body
    doubled = f"{mine['id']},{others['id']}"
    signed = {"X-Instance-ID": doubled, "X-Instance-ID-Signature": http.signature(SECRET, doubled)}
    assert guest.ask(path, headers=signed).status == 400
    # Without a secret nobody is believed, not even who signs with none.
    keyless = Client(MetadataService(running.service, ""))
    headers = guest.headers | {"X-Instance-ID-Signature": http.signature("", mine["id"])}
    assert keyless.get(path, headers=headers).status == 403
    # What an API tells operators is not there for guests.
    for other in ("/metrics", "/healthcheck"):
        assert guest.ask(other).status == 404


def test_a_deleted_server_is_told_nothing(running: Cloud) -> None:
    server = boot(running)
    running.json("DELETE", f"/v2.1/servers/{server['id']}", status=204)
    running.until(lambda: running.is_gone(server["id"]))
    assert Asking(running, server["id"]).ask("/openstack/latest/meta_data.json").status == 404


def test_a_guest_leaves_its_password_once(running: Cloud) -> None:
    guest = Asking(running, boot(running)["id"])
    assert guest.text("/openstack/latest/password") == ""
    assert guest.ask("/openstack/latest/password", "PUT", data=b"x").status == 400
    assert guest.ask("/openstack/latest/password", "POST", data=b"x" * 1021).status == 400
    assert guest.ask("/openstack/2012-08-10/password", "POST", data=b"x").status == 404
    assert guest.ask("/openstack/latest/password", "POST", data=b"encrypted").status == 200
    assert guest.text("/openstack/latest/password") == "encrypted"
    assert guest.ask("/openstack/latest/password", "POST", data=b"other").status == 409
    assert guest.ask("/openstack/latest/meta_data.json", "POST", data=b"x").status == 405


@pytest.fixture
def vendor_cloud(database_urls: Callable[[str], str], tmp_path: Path) -> Any:
    file = tmp_path / "vendor.json"
    file.write_text('{"mirror": "http://mirror.test"}')
    options = "\n".join(
        (
            "[api]",
            f"vendordata_jsonfile_path = {file}",
            "vendordata_providers = StaticJSON,DynamicJSON",
            "vendordata_dynamic_targets = host@http://vendor.test/ask,away@http://127.0.0.1:9/",
            "dhcp_domain = ",
        )
    )
    made = Cloud(tmp_path, database_urls, options)
    made.add_host("node1")
    made.start_engine()
    yield made
    made.close()


def test_vendor_data(vendor_cloud: Cloud) -> None:
    asked: list[Any] = []

    def vendor(environ: Any, start_response: Any) -> list[bytes]:
        asked.append(json.loads(environ["wsgi.input"].read()))
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b'{"license": "abc"}']

    vendor_cloud.service.env.transport.local["http://vendor.test"] = vendor
    server = boot(vendor_cloud)
    guest = Asking(vendor_cloud, server["id"])
    assert guest.json("/openstack/latest/vendor_data.json") == {"mirror": "http://mirror.test"}
    assert guest.json("/openstack/latest/vendor_data2.json") == {
        "static": {"mirror": "http://mirror.test"},
        "host": {"license": "abc"},
        "away": {},
    }
    assert asked[0]["instance-id"] == server["id"] and asked[0]["boot-roles"] == "member,reader"
    assert guest.json("/openstack/latest/meta_data.json")["hostname"] == "my-server"


def test_a_config_drive_holds_it_all(running: Cloud) -> None:
    spawned = spawned_on(running)
    server = boot(running, config_drive=True, adminPass="Geheim123")
    [guest] = spawned
    drive = {path: base64.b64decode(data) for path, data in guest.drive.items()}
    asked = Asking(running, server["id"])
    for version in (*instance_documents.VERSIONS, "latest"):
        for name in asked.text(f"/openstack/{version}").split("\n"):
            if name in ("password", "meta_data.json"):
                continue
            assert drive[f"openstack/{version}/{name}"] == asked.ask(f"/openstack/{version}/{name}").body
    meta = json.loads(drive["openstack/latest/meta_data.json"])
    assert meta["admin_pass"] == "Geheim123" and meta["public_keys"] == {"laptop": KEY}
    assert drive["ec2/latest/user-data"] == USER_DATA
    ec2 = json.loads(drive["ec2/2009-04-04/meta-data.json"])
    assert ec2["public-keys"] == {"0": {"openssh-key": KEY}} and ec2["local-ipv4"] == asked.text(
        "/latest/meta-data/local-ipv4"
    )
    assert guest.key_data == KEY and base64.b64decode(guest.user_data or "") == USER_DATA
    assert guest.admin_password == "Geheim123"
    assert guest.vifs[0]["mac_address"] and guest.vifs[0]["device_name"].startswith("tap")
    # The password is nowhere in the database once the guest has it.
    with running.service.db.read() as connection:
        kept = connection.exec_driver_sql("SELECT payload FROM jobs").scalars().all()
    assert kept and not any("Geheim123" in payload for payload in kept)


def test_files_of_old_microversions_are_on_the_drive(running: Cloud) -> None:
    spawned = spawned_on(running)
    file = {"path": "/etc/motd", "contents": base64.b64encode(b"welcome\n").decode()}
    body = {
        "server": {
            "name": "old",
            "imageRef": "11111111-1111-4111-8111-111111111111",
            "flavorRef": running.flavor(),
            "config_drive": True,
            "personality": [file],
        }
    }
    made = running.json("POST", "/v2.1/servers", status=202, version="2.1", json=body)["server"]
    running.settled(made["id"])
    drive = spawned[0].drive
    meta = json.loads(base64.b64decode(drive["openstack/latest/meta_data.json"]))
    assert meta["files"] == [{"path": "/etc/motd", "content_path": "/content/0000"}]
    assert base64.b64decode(drive["openstack/content/0000"]) == b"welcome\n"


def test_the_secret_of_a_cloud_is_made_once(cloud: Cloud) -> None:
    app.prepare(cloud.service, {})
    file = cloud.service.env.paths.keys / "metadata_proxy_shared_secret"
    first = file.read_text()
    app.prepare(cloud.service, {})
    assert file.read_text() == first and len(first) > 30 and file.stat().st_mode & 0o077 == 0


def test_one_port_knows_all_versions() -> None:
    """--single-port tells the metadata service's requests by the first part of their paths."""
    assert {"openstack", "ec2", "latest", *instance_documents.EC2_VERSIONS} == set(services.METADATA_PATHS)
