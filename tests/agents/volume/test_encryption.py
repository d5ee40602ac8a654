"""Encrypted volumes: nothing readable on the disk, nothing readable without the key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.agents.volume import qemu
from cumulet.agents.volume.connector import Connector
from cumulet.agents.volume.devices.nbd import NbdDevice
from cumulet.agents.volume.file.driver import FileDriver
from cumulet.agents.volume.protocols import Refused, Volume
from cumulet.agents.volume.transfer import short_folder
from tests.agents.volume.backends import ELSEWHERE, GIB, HERE, file_options, pattern, read, write

A, B, C, S = "aaaaaaaa-0000", "bbbbbbbb-0000", "cccccccc-0000", "5aaaaaaa-0000"
KEY, OTHER = "ab" * 32, "cd" * 32


@pytest.fixture
def driver() -> Iterator[FileDriver]:
    """One whose plain volumes are raw files: encrypted ones are LUKS all the same."""
    with short_folder() as folder:
        yield FileDriver(file_options(folder, format="raw"))


def on_disk(driver: FileDriver) -> bytes:
    folder = driver._layers.folder
    return b"".join(file.read_bytes() for file in folder.iterdir())


def test_nothing_readable_is_on_the_disk(driver: FileDriver) -> None:
    driver.create(Volume(A, 1, key=KEY))
    write(driver, A, 4096, pattern("secret"), KEY)
    assert read(driver, A, 4096, key=KEY) == pattern("secret")
    data = on_disk(driver)
    assert pattern("secret")[:64] not in data
    assert KEY.encode() not in data
    for key in (OTHER, None):
        with pytest.raises(Refused), driver.opened(A, key=key):
            pass


def test_snapshots_clones_and_growth(driver: FileDriver) -> None:
    driver.create(Volume(A, 1, key=KEY))
    write(driver, A, 0, pattern("one"), KEY)
    driver.create_snapshot(S, A, KEY)
    write(driver, A, 0, pattern("two"), KEY)
    driver.from_snapshot(Volume(B, 2, key=OTHER, source_key=KEY), S, A)
    driver.clone(Volume(C, 1, source_key=KEY), A)
    assert read(driver, B, 0, key=OTHER) == pattern("one")
    assert read(driver, C, 0) == pattern("two")
    driver.extend(A, 3, KEY)
    with driver.opened(A, key=KEY) as device:
        assert device.size == 3 * GIB
    driver.revert(A, S, KEY)
    assert read(driver, A, 0, key=KEY) == pattern("one")


def test_a_machine_too_busy_to_measure_is_asked_again(driver: FileDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, img = [], qemu.img

    def busy(command: str, *arguments: str | Path, **rest: Any) -> bytes:
        asked.append(command)
        if len(asked) < 3:
            raise qemu.ToolFailed("qemu-img: Unable to get accurate CPU usage")
        return img(command, *arguments, **rest)

    monkeypatch.setattr(qemu, "img", busy)
    driver.create(Volume(A, 1, key=KEY))
    assert asked.count("create") == 3


def test_an_image_becomes_an_encrypted_volume(driver: FileDriver, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(pattern("image", 1 << 20))
    driver.from_file(Volume(A, 1, key=KEY), image, "raw")
    assert read(driver, A, 0, key=KEY) == pattern("image")[: 1 << 16]
    assert pattern("image")[:64] not in on_disk(driver)


def test_guests_reach_one_without_its_key(driver: FileDriver) -> None:
    """On the same host too a daemon of the agent opens it, and guests are given plain bytes."""
    driver.create(Volume(A, 1, key=KEY))
    write(driver, A, 0, pattern("x"), KEY)
    local = driver.connect(A, "one", HERE, "rw", KEY)
    assert (local["data"]["host"], local["data"]["encrypted"]) == (None, False)
    driver.disconnect(A, "one")
    info = driver.connect(A, "two", ELSEWHERE, "rw", KEY)
    assert (info["data"]["encrypted"], info["data"]["decrypted"]) == (False, True)
    for told in (local, info):
        assert KEY not in str(told)
    with short_folder() as folder:
        connector = Connector(folder)
        disk = connector.attach(info)
        with NbdDevice(Path(disk.socket or ""), disk.export or "") as device:
            assert device.read(0, 1 << 16) == pattern("x")
        connector.detach(A)
    driver.disconnect(A, "two")


def test_a_lost_export_needs_the_key_again(driver: FileDriver) -> None:
    driver.create(Volume(A, 1, key=KEY))
    driver.connect(A, "one", ELSEWHERE, "rw", KEY)
    from cumulet.agents.volume.daemon import Daemon

    Daemon(driver._options.exports_folder / A).stop()
    assert driver.upkeep() == [A]
    driver.connect(A, "one", ELSEWHERE, "rw", KEY)
    assert driver.upkeep() == []
    driver.disconnect(A, "one")
