"""What machine a guest is given, and the command line that is made of its record."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cumulet.agents.compute import options
from cumulet.agents.compute.config import HostConfig
from cumulet.agents.compute.folders import Folders, Record
from cumulet.agents.compute.images import ImageCache
from cumulet.agents.compute.protocols import Disk
from cumulet.agents.compute.qemu import building, command, machine, volumes
from cumulet.agents.compute.qemu.driver import QemuHypervisor
from cumulet.agents.compute.qemu.host import Host
from tests.agents.compute.support import StoredImages, a_guest

PORT = "deadbeef-0000-1111-2222-333344445555"
VOLUME = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    config = HostConfig(host="h", instances=tmp_path, virt_type="qemu")
    return Host(config, Folders(tmp_path), ImageCache(tmp_path / "_base", StoredImages()))


def laid_out(host: Host, **values: Any) -> Record:
    images = host.images.service
    assert isinstance(images, StoredImages)
    image = images.show(images.add(b"\0" * 4096, disk_format="raw", **values.pop("properties", {})))
    guest = a_guest(image["id"], image, vifs=[{"id": PORT, "mac_address": "fa:16:3e:00:00:01", "mtu": 1450}], **values)
    record = Record(guest=guest, machine=machine.choose(guest, host.config))
    building.lay_out(host, record)
    return record


def option(arguments: list[str], name: str) -> list[str]:
    return [arguments[at + 1] for at, word in enumerate(arguments) if word == name]


def devices(arguments: list[str]) -> dict[str, dict[str, Any]]:
    found = [json.loads(word) for word in option(arguments, "-device") if word.startswith("{")]
    return {one["id"]: one for one in found if "id" in one}


def test_everything_is_virtio_and_can_be_taken_out(host: Host) -> None:
    arguments = command.build(laid_out(host, flavor={"ephemeral": 1, "swap": 64}), host.config)
    found = devices(arguments)
    assert found["disk-root"]["driver"] == "virtio-blk-pci"
    assert found["disk-root"]["bootindex"] == 0
    assert [found[name]["bus"] for name in ("disk-root", "disk-ephemeral0", "disk-swap")] == ["port0", "port1", "port2"]
    assert found[f"nic-{PORT}"] == {
        "driver": "virtio-net-pci", "netdev": f"net-{PORT}", "id": f"nic-{PORT}", "mac": "fa:16:3e:00:00:01",
        "bus": "port3", "romfile": "", "host_mtu": 1450,
    }  # fmt: skip
    netdev = json.loads(option(arguments, "-netdev")[0])
    assert netdev["ifname"] == "tapdeadbeef-00"
    assert "spawn=deny" in option(arguments, "-sandbox")[0]
    assert any("product=OpenStack Nova" in word for word in option(arguments, "-smbios"))


def test_no_word_of_a_user_becomes_an_option(host: Host) -> None:
    evil = "x,script=/bin/sh -monitor stdio"
    record = laid_out(host, properties={"kernel_id": None, "os_command_line": evil})
    record.kernel = {"kernel": "/k", "append": evil}
    arguments = command.build(record, msgspec.structs.replace(host.config, name_template=evil + "%x"))
    assert arguments[arguments.index("-append") + 1] == evil
    assert option(arguments, "-name")[0].startswith("guest=x,,script=")
    assert "-monitor" not in arguments


def test_the_image_and_the_flavor_say_what_machine(host: Host) -> None:
    properties = {"hw_machine_type": "pc", "hw_vif_model": "e1000", "hw_disk_bus": "scsi", "hw_qemu_guest_agent": "yes"}
    specs = {"hw:cpu_cores": "2", "hw_rng:allowed": "false"}
    arguments = command.build(
        laid_out(host, properties=properties, flavor={"vcpus": 4, "extra_specs": specs}), host.config
    )
    assert option(arguments, "-machine")[0].startswith("pc,")
    assert option(arguments, "-smp") == ["4,sockets=2,cores=2,threads=1"]
    found = devices(arguments)
    assert found["disk-root"]["driver"] == "scsi-hd"
    assert found[f"nic-{PORT}"]["driver"] == "e1000"
    assert any("org.qemu.guest_agent.0" in word for word in option(arguments, "-device"))
    assert not any("virtio-rng" in word for word in option(arguments, "-device"))


@pytest.mark.parametrize("asked_by", ["flavor", "image"])
def test_a_card_has_a_queue_for_each_processor_where_that_is_asked_for(host: Host, asked_by: str) -> None:
    specs = {"hw:vif_multiqueue_enabled": "true"} if asked_by == "flavor" else {}
    image = {"hw_vif_multiqueue_enabled": "true"} if asked_by == "image" else {}
    arguments = command.build(laid_out(host, properties=image, flavor={"vcpus": 4, "extra_specs": specs}), host.config)
    assert json.loads(option(arguments, "-netdev")[0])["queues"] == 4
    card = devices(arguments)[f"nic-{PORT}"]
    assert (card["mq"], card["vectors"]) == (True, 10)


@pytest.mark.parametrize(
    ("wishes", "queues"),
    [
        ({}, 1),
        ({"hw_vif_multiqueue_enabled": "true"}, 3),
        ({"hw_vif_multiqueue_enabled": "true", "hw_vif_model": "e1000"}, 1),
        ({"hw_vif_multiqueue_enabled": "no"}, 1),
    ],
)
def test_only_virtio_cards_have_queues_within_the_hosts_bounds(host: Host, wishes: dict[str, str], queues: int) -> None:
    config = msgspec.structs.replace(host.config, most_queues=3)
    guest = a_guest(None, wishes, flavor={"vcpus": 4})
    assert machine.choose(guest, config)["queues"] == queues


def test_a_volume_is_opened_as_it_says_and_named_by_its_serial(host: Host) -> None:
    connection = {"driver_volume_type": "local", "data": {"path": "/volumes/x.qcow2", "format": "qcow2"}}
    record = laid_out(host, volumes=[Disk(VOLUME, "/dev/vdb", connection)])
    arguments = command.build(record, host.config)
    assert devices(arguments)[f"volume-{VOLUME}"]["serial"] == VOLUME[:20]
    node = next(json.loads(word) for word in option(arguments, "-blockdev") if "x.qcow2" in word)
    assert node["driver"] == "qcow2"
    assert node["file"] == {"driver": "file", "filename": "/volumes/x.qcow2"}


def test_a_key_for_a_volume_is_in_a_file_and_not_on_the_command_line(host: Host, tmp_path: Path) -> None:
    secret = "ab" * 32
    data = {"host": "192.0.2.10", "port": 10810, "export": "volume-x", "tls": "psk", "tls_username": "cumulet"}
    disk = Disk(VOLUME, "/dev/vdb", {"driver_volume_type": "nbd", "data": data | {"tls_key": secret}})
    record = laid_out(host, volumes=[disk])
    arguments = command.build(record, host.config)
    assert not any(secret in word for word in arguments)
    for drive in record.drives:
        volumes.write_keys(tmp_path, drive)
    file = tmp_path / f"keys-{VOLUME}" / "keys.psk"
    assert file.read_text() == f"cumulet:{secret}\n"
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("connection", "says"),
    [
        ({"driver_volume_type": "fibre_channel", "data": {}}, "'fibre_channel' is not known here"),
        ({"driver_volume_type": "local", "data": {"path": "relative"}}, "must be absolute"),
        ({"driver_volume_type": "local", "data": {"path": "/x", "format": "vmdk"}}, "'vmdk' is not known here"),
        ({"driver_volume_type": "local", "data": {"path": "/x", "encrypted": True}}, "encrypted"),
    ],
)
def test_a_volume_that_cannot_be_opened_is_refused_with_the_reason(connection: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        volumes.node_of(Disk(VOLUME, "/dev/vdb", connection))


def test_a_full_machine_says_so(host: Host) -> None:
    record = laid_out(host)
    with pytest.raises(ValueError, match="no place for another device"):
        for number in range(30):
            building.add_card(host, record, {"id": f"{number:08}-0000", "mac_address": "fa:16:3e:00:00:02"})


def test_the_operators_nova_conf_is_heeded(tmp_path: Path) -> None:
    file = tmp_path / "nova.conf"
    file.write_text(
        "[DEFAULT]\nmy_ip = 192.0.2.7\ninstances_path = /var/lib/nova/instances\nshutdown_timeout = 5\n"
        "[libvirt]\nvirt_type = qemu\ncpu_mode = custom\ncpu_models = Haswell\nhw_machine_type = x86_64=pc\n"
        "[vnc]\nserver_listen = 192.0.2.7\nserver_proxyclient_address = $my_ip\n"
    )
    config = options.host_config(options.read([file]), tmp_path, host="h")
    assert config.instances == Path("/var/lib/nova/instances")
    assert (config.address, config.host_ip, config.shutdown_s) == ("192.0.2.7", "192.0.2.7", 5.0)
    assert (config.virt_type, config.cpu_model, config.machine) == ("qemu", "Haswell", "pc")
    assert config.vnc_listen == "192.0.2.7"
    assert options.host_config(options.read([]), tmp_path).instances == tmp_path / "instances"


def test_images_in_use_stay(host: Host) -> None:
    driver = QemuHypervisor(host)
    record = laid_out(host)
    host.folders.make(record.id)
    host.folders.save(record)
    images = host.images.service
    assert isinstance(images, StoredImages)
    used, idle = record.guest.image_id, images.add(b"x", disk_format="raw")
    assert used is not None
    host.images.fetch(images.show(idle))
    for image_id in (used, idle):
        os.utime(host.config.cache / image_id, (0, 0))
    driver._sweep_at = 0.0
    driver.resources()
    assert host.images.has(used)
    assert not host.images.has(idle)
