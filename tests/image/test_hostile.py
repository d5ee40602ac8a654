"""Data that is not what it claims, or not safe: refused with the reason, and nothing of it is left."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.image import hostile
from tests.image.support import OCTETS, Chunked, Images

TERABYTE = 1 << 40
REFUSED = {
    "qcow2 with a backing file": ("qcow2", hostile.qcow2(backing=b"/etc/shadow"), "backing_file"),
    "qcow2 with a data file": ("qcow2", hostile.qcow2(data_file=True), "data_file"),
    "qcow2 with unknown features": ("qcow2", hostile.qcow2(features=1 << 40), "unknown_features"),
    "qcow2 of version 1": ("qcow2", hostile.qcow2(version=1), "unknown_features"),
    "qcow2 as raw": ("raw", hostile.qcow2(), "does not match stream data qcow2"),
    "qcow2 as iso": ("iso", hostile.qcow2(), "does not match stream data qcow2"),
    "qcow2 as a kernel": ("aki", hostile.qcow2(), "does not match stream data qcow2"),
    "qcow2 that is nothing": ("qcow2", b"no disk at all", "does not match stream data raw"),
    "qcow2 cut in its header": ("qcow2", hostile.qcow2()[:40], "does not match stream data raw"),
    "qcow2 of 100 TiB": ("qcow2", hostile.qcow2(size=100 * TERABYTE), "virtual size"),
    "qcow2 of 8 EiB": ("qcow2", hostile.qcow2(size=(1 << 63) - 1), "virtual size"),
    "VMDK with an extent elsewhere": ("vmdk", hostile.vmdk(extents='RW 2048 FLAT "/etc/shadow" 0'), "descriptor"),
    "VMDK with two extents, one elsewhere": (
        "vmdk",
        hostile.vmdk(extents='RW 2048 SPARSE "disk.vmdk"\nRW 2048 SPARSE "/etc/shadow"'),
        "descriptor",
    ),
    "VMDK of a kind that is not allowed": ("vmdk", hostile.vmdk(kind="monolithicFlat"), "descriptor"),
    "VMDK with a footer of its own": ("vmdk", hostile.vmdk(footer=True), "footer"),
    "VMDK that is a text": ("vmdk", hostile.description().ljust(2048, b"\n"), "descriptor"),
    "VMDK as raw": ("raw", hostile.vmdk(), "does not match stream data vmdk"),
    "VMDK text as raw": ("raw", hostile.description().ljust(2048, b"\n"), "does not match stream data vmdk"),
    "VMDK text as raw, with something else behind it": (
        "raw",
        hostile.description().ljust(2048, b"\n") + b"\xff" * 2048,
        "does not match stream data vmdk",
    ),
    "qcow2 that is an ISO image too": ("qcow2", hostile.qcow2()[:512] + hostile.iso()[512:], "Multiple formats"),
    "VDI as raw": ("raw", hostile.vdi(), "does not match stream data vdi"),
    "VHD of 1 EiB": ("vhd", hostile.vhd(1 << 60), "virtual size"),
    "VHD as raw": ("raw", hostile.vhd(), "does not match stream data vhd"),
    "QED": ("raw", hostile.qed(), "does not match stream data qed"),
    "GPT with a further partition": ("gpt", hostile.mbr(hostile.partition(0xEE), hostile.partition(0x83)), "mbr"),
    "raw with a bad boot flag": ("raw", hostile.mbr(hostile.partition(0x83, boot=0x13)), "mbr"),
    "raw with an empty partition table": ("raw", hostile.mbr(), "mbr"),
}
ACCEPTED = {
    "qcow2": ("qcow2", hostile.qcow2(size=5 * hostile.MIB), 5 * hostile.MIB),
    "qcow2 of version 2": ("qcow2", hostile.qcow2(version=2), hostile.MIB),
    "VMDK": ("vmdk", hostile.vmdk(), hostile.MIB),
    "VDI": ("vdi", hostile.vdi(), hostile.MIB),
    "VHD": ("vhd", hostile.vhd(), hostile.MIB),
    "raw": ("raw", b"\1" * 1000, 1000),
    "GPT as raw": ("raw", hostile.gpt(), len(hostile.gpt())),
    "MBR as raw": ("raw", hostile.mbr(hostile.partition(0x83)), len(hostile.gpt())),
    "ISO": ("iso", hostile.iso(), 32 * 2048),
    "ISO that boots from a disk": ("iso", hostile.hybrid_iso(), 32 * 2048),
    "ISO as raw": ("raw", hostile.iso(), 32 * 2048),
    "a text": ("raw", b"echo no disk\n" * 100, 1300),
    "a text with something else behind it": ("raw", b"echo no disk\n" * 100 + b"\xff" * 700, 2000),
    "a kernel": ("aki", b"\x7fELF" + bytes(1000), None),
    "a kernel that begins like a disk": ("aki", hostile.mbr(), None),
}


@pytest.fixture
def images(make_images: Callable[[str], Images]) -> Images:
    return make_images("[image_format]\ndisk_formats = ami,ari,aki,vhd,vhdx,vmdk,raw,qcow2,vdi,iso,ploop,gpt\n")


def upload(images: Images, disk_format: str, data: bytes) -> tuple[Any, Any]:
    image = images.create(disk_format=disk_format)
    answer = images.call(
        "PUT", f"/v2/images/{image['id']}/file", data=data, headers={**OCTETS, "Accept": "application/json"}
    )
    return answer, images.show(image["id"])


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_uploads_are_refused(images: Images, name: str) -> None:
    disk_format, data, reason = REFUSED[name]
    answer, image = upload(images, disk_format, data)
    assert (answer.status, reason in answer.json()["message"]) == (415, True), answer.body
    assert (image["status"], image["size"], image["checksum"], image["virtual_size"]) == ("queued", None, None, None)
    assert images.files() == []


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_imports_are_refused(images: Images, name: str) -> None:
    disk_format, data, reason = REFUSED[name]
    image = images.create(disk_format=disk_format)
    assert images.call("PUT", f"/v2/images/{image['id']}/stage", data=data, headers=OCTETS).status == 204
    images.json("POST", f"/v2/images/{image['id']}/import", json={"method": {"name": "glance-direct"}}, status=202)
    images.run_jobs()
    assert images.show(image["id"])["status"] == "queued"
    assert images.files() == []
    [task] = images.json("GET", f"/v2/images/{image['id']}/tasks")["tasks"]
    assert (task["status"], reason in task["message"]) == ("failure", True), task["message"]


@pytest.mark.parametrize("name", ACCEPTED)
def test_honest_images_are_taken(images: Images, name: str) -> None:
    disk_format, data, virtual_size = ACCEPTED[name]
    answer, image = upload(images, disk_format, data)
    assert answer.status == 204, answer.body
    assert (image["status"], image["size"], image["virtual_size"]) == ("active", len(data), virtual_size)
    assert images.data(image["id"]) == data


@pytest.mark.parametrize("name", REFUSED)
def test_the_size_of_the_pieces_makes_no_difference(images: Images, name: str) -> None:
    disk_format, data, _ = REFUSED[name]
    image = images.create(disk_format=disk_format)
    assert Chunked(images, Drops(data)).put(image["file"]) == 415
    assert images.files() == []


class Drops(io.BytesIO):
    """Few bytes at a time."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(7)

    read1 = read


def test_other_containers_are_not_looked_into(images: Images) -> None:
    image = images.create(disk_format="qcow2", container_format="ova")
    assert images.upload(image["id"], b"an archive").status == 204


def test_an_operator_may_tolerate_wrong_formats_but_not_dangerous_ones(make_images: Callable[[str], Images]) -> None:
    images = make_images("[image_format]\nrequire_image_format_match = False\ngpt_safety_checks_nonfatal = mbr\n")
    assert upload(images, "raw", hostile.qcow2())[0].status == 204
    assert upload(images, "raw", hostile.mbr())[0].status == 204
    answer, _ = upload(images, "raw", hostile.qcow2(backing=b"/etc/shadow"))
    assert (answer.status, "backing_file" in answer.json()["message"]) == (415, True)


class TestQemu:
    """Images as QEMU makes them."""

    def make(self, directory: Path, *arguments: str) -> bytes:
        if shutil.which("qemu-img") is None:
            pytest.skip("qemu-img is not installed (Debian: apt-get install qemu-utils)")
        path = directory / "made"
        subprocess.run(["qemu-img", "create", "-q", *arguments[:-1], str(path), arguments[-1]], check=True)
        return path.read_bytes()

    @pytest.mark.parametrize(
        ("disk_format", "arguments"),
        [
            ("qcow2", ("-f", "qcow2", "64M")),
            ("qcow2", ("-f", "qcow2", "-o", "compat=0.10", "64M")),
            ("vmdk", ("-f", "vmdk", "64M")),
            ("vmdk", ("-f", "vmdk", "-o", "subformat=streamOptimized", "64M")),
            ("vhdx", ("-f", "vhdx", "64M")),
            ("vdi", ("-f", "vdi", "64M")),
            ("vhd", ("-f", "vpc", "-o", "force_size=on", "64M")),
        ],
    )
    def test_its_formats_are_taken(self, images: Images, tmp_path: Path, disk_format: str, arguments: Any) -> None:
        answer, image = upload(images, disk_format, self.make(tmp_path, *arguments))
        assert (answer.status, image["virtual_size"]) == (204, 64 << 20), answer.body

    def test_its_backing_and_data_files_are_refused(self, images: Images, tmp_path: Path) -> None:
        (tmp_path / "base").write_bytes(bytes(1 << 20))
        backed = self.make(tmp_path, "-f", "qcow2", "-F", "raw", "-b", str(tmp_path / "base"), "1M")
        external = self.make(tmp_path, "-f", "qcow2", "-o", f"data_file={tmp_path / 'data'}", "1M")
        assert [upload(images, "qcow2", data)[0].status for data in (backed, external)] == [415, 415]
        assert images.files() == []

    def test_images_are_converted_when_they_are_imported(
        self, make_images: Callable[[str], Images], tmp_path: Path
    ) -> None:
        images = make_images(
            "[image_import_opts]\nimage_import_plugins = [image_conversion]\n"
            "[image_conversion]\noutput_format = qcow2\n"
        )
        data = self.make(tmp_path, "-f", "vmdk", "64M")
        for content, status in ((data, "active"), (hostile.vmdk(extents='RW 2048 FLAT "/etc/shadow" 0'), "queued")):
            image = images.create(disk_format="vmdk")
            assert images.call("PUT", f"/v2/images/{image['id']}/stage", data=content, headers=OCTETS).status == 204
            images.json(
                "POST", f"/v2/images/{image['id']}/import", json={"method": {"name": "glance-direct"}}, status=202
            )
            images.run_jobs()
            done = images.show(image["id"])
            [task] = images.json("GET", f"/v2/images/{image['id']}/tasks")["tasks"]
            assert done["status"] == status, task["message"]
            if status == "active":
                assert (done["disk_format"], done["virtual_size"]) == ("qcow2", 64 << 20)
                assert images.data(image["id"]).startswith(b"QFI\xfb")
        assert len(images.files()) == 1

    def test_a_conversion_that_fails_says_why_and_not_where(self, make_images: Callable[[str], Images]) -> None:
        images = make_images(
            "[image_import_opts]\nimage_import_plugins = [image_conversion]\n"
            "[image_format]\nrequire_image_format_match = False\n"
        )
        if shutil.which("qemu-img") is None:
            pytest.skip("qemu-img is not installed (Debian: apt-get install qemu-utils)")
        image = images.create(disk_format="qcow2")
        path = f"/v2/images/{image['id']}"
        assert images.call("PUT", f"{path}/stage", data=bytes(1 << 20), headers=OCTETS).status == 204
        images.json("POST", f"{path}/import", json={"method": {"name": "glance-direct"}}, status=202)
        images.run_jobs()
        [task] = images.json("GET", f"{path}/tasks")["tasks"]
        assert ("not in qcow2 format" in task["message"], str(images.state) in task["message"]) == (True, False)
        assert (images.show(image["id"])["status"], images.files()) == ("queued", [])
