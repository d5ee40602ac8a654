"""The config drive, read back by a reader that follows the specification (ECMA-119 and Joliet)."""

from __future__ import annotations

import base64
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from cumulet.agents.compute import config_drive

BLOCK = 2048
FILES = {
    "openstack/latest/meta_data.json": b'{"uuid": "x"}',
    "openstack/latest/user_data": b"#!/bin/sh\n",
    "openstack/latest/vendor_data.json": b"1",
    "openstack/latest/vendor_data2.json": b"2",
    "openstack/2012-08-10/meta_data.json": b"y" * 5000,
    "openstack/content/0000": b"",
    "ec2/latest/meta-data.json": b"z" * BLOCK,
}


def read(image: bytes, *, joliet: bool) -> dict[str, bytes]:
    """Every file by its path, as a system that mounts the image would find them."""
    descriptor = image[(17 if joliet else 16) * BLOCK :][:BLOCK]
    assert descriptor[:7] == bytes((2 if joliet else 1,)) + b"CD001\x01"
    encoding = "utf-16-be" if joliet else "ascii"
    assert descriptor[40:72].decode(encoding).rstrip() == "config-2"
    assert struct.unpack_from("<I", descriptor, 80)[0] * BLOCK == len(image)

    found: dict[str, bytes] = {}

    def walk(at: int, size: int, path: str) -> None:
        data, position = image[at * BLOCK : at * BLOCK + size], 0
        while position < size:
            length = data[position]
            if length == 0:  # the rest of this block is empty
                position = (position // BLOCK + 1) * BLOCK
                continue
            entry = data[position : position + length]
            where, big = struct.unpack_from("<I", entry, 2)[0], struct.unpack_from(">I", entry, 6)[0]
            assert where == big
            name = entry[33 : 33 + entry[32]]
            position += length
            if name in (b"\0", b"\1"):
                continue
            text = path + name.decode(encoding).removesuffix(";1")
            if entry[25] & 2:
                walk(where, struct.unpack_from("<I", entry, 10)[0], text + "/")
            else:
                found[text] = image[where * BLOCK :][: struct.unpack_from("<I", entry, 10)[0]]

    root = descriptor[156:190]
    walk(struct.unpack_from("<I", root, 2)[0], struct.unpack_from("<I", root, 10)[0], "")
    return found


def test_every_file_is_found_under_its_whole_name() -> None:
    assert read(config_drive.image(FILES), joliet=True) == FILES


def test_systems_without_joliet_find_the_same_content_under_short_names() -> None:
    short = read(config_drive.image(FILES), joliet=False)
    assert sorted(short.values()) == sorted(FILES.values())
    assert all(len(part) <= 12 for path in short for part in path.split("/"))
    assert len(short) == len(FILES)


def test_the_same_files_give_the_same_bytes() -> None:
    assert config_drive.image(FILES) == config_drive.image(dict(reversed(FILES.items())))


def test_many_files_of_one_directory() -> None:
    many = {f"content/{number:04}-{'n' * 40}": bytes([number % 256]) for number in range(300)}
    assert read(config_drive.image(many), joliet=True) == many


@pytest.mark.parametrize("path", ["../x", "a//b", "a/./b", "n" * 65, ""])
def test_a_path_that_cannot_be_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="cannot be a file"):
        config_drive.image({path: b"x"})


def test_content_must_be_base64(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="content of a on the config drive is not base64"):
        config_drive.write(tmp_path / "x", {"a": "not base64!"})
    config_drive.write(tmp_path / "x", {"a": base64.b64encode(b"hello").decode()})
    assert read((tmp_path / "x").read_bytes(), joliet=True) == {"a": b"hello"}


def test_the_label_is_what_guests_look_for(tmp_path: Path) -> None:
    blkid = shutil.which("blkid", path="/usr/sbin:/sbin:/usr/bin")
    if blkid is None:
        pytest.skip("blkid is not installed")
    file = tmp_path / "x.iso"
    file.write_bytes(config_drive.image(FILES))
    said = subprocess.run([blkid, "-p", str(file)], capture_output=True, text=True, timeout=30, check=True).stdout
    assert 'LABEL="config-2"' in said
    assert 'TYPE="iso9660"' in said
