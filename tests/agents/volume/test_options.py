"""cinder.conf as operators write it, and what becomes of back ends that cannot work on a host."""

from __future__ import annotations

from pathlib import Path

import pytest

from cumulet.agents.volume import options
from cumulet.agents.volume.down import DownDriver
from cumulet.agents.volume.file.driver import FileDriver
from cumulet.agents.volume.lvm import lvm_is_missing
from cumulet.agents.volume.protocols import Refused, Volume, VolumeDriver

GUIDE = """
[DEFAULT]
enabled_backends = lvm
my_ip = 192.168.1.120
[lvm]
volume_driver = cinder.volume.drivers.lvm.LVMVolumeDriver
volume_group = cinder-volumes
target_protocol = iscsi
target_helper = lioadm
"""
needs_no_lvm = pytest.mark.skipif(lvm_is_missing() is None, reason="this host has LVM, so nothing falls back")


def drivers(tmp_path: Path, text: str) -> dict[str, VolumeDriver]:
    file = tmp_path / "cinder.conf"
    file.write_text(text)
    return dict(options.drivers_of(options.load([file]), "node1", tmp_path / "state"))


def test_without_a_file_volumes_are_files_in_the_clouds_directory(tmp_path: Path) -> None:
    [(name, driver)] = options.drivers_of(options.load([]), "node1", tmp_path / "state").items()
    assert (name, type(driver)) == ("file", FileDriver)
    driver.create(Volume("a", 1))
    assert (tmp_path / "state" / "file" / "volumes" / "node1" / "a.json").exists()


@needs_no_lvm
def test_the_guides_volume_group_says_why_it_cannot_work(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    driver = drivers(tmp_path, GUIDE)["lvm"]
    assert isinstance(driver, DownDriver)
    reason = driver.report().reason_down or ""
    assert "device mapper" in reason
    assert "lvm_fallback_dir in [lvm]" in reason
    assert reason in caplog.text
    with pytest.raises(Refused, match="device mapper"):
        driver.create(Volume("a", 1))


@needs_no_lvm
def test_it_falls_back_only_where_that_is_said(tmp_path: Path) -> None:
    driver = drivers(tmp_path, f"{GUIDE}lvm_fallback_dir = {tmp_path}/instead\n")["lvm"]
    assert isinstance(driver, FileDriver)
    driver.create(Volume("a", 1))
    assert list((tmp_path / "instead" / "layers").iterdir())


def test_several_back_ends_have_names_of_their_own(tmp_path: Path) -> None:
    text = f"""
[DEFAULT]
enabled_backends = fast, shared, odd
[fast]
volume_driver = cumulet.agents.volume.file.FileDriver
volume_backend_name = ssd
volumes_dir = {tmp_path}/fast
volume_format = raw
[shared]
volume_driver = cinder.volume.drivers.nfs.NfsDriver
nfs_mount_point_base = {tmp_path}/nfs
volumes_shared = true
[odd]
volume_driver = cinder.volume.drivers.vendor.ApplianceDriver
"""
    found = drivers(tmp_path, text)
    reports = {name: driver.report() for name, driver in found.items()}
    assert {name: report.volume_backend_name for name, report in reports.items()} == {
        "fast": "ssd",
        "shared": "shared",
        "odd": "odd",
    }
    assert reports["shared"].storage_protocol == "nfs"
    assert "ApplianceDriver is not known" in (reports["odd"].reason_down or "")
    found["fast"].create(Volume("a", 1))
    assert [file.suffix for file in (tmp_path / "fast" / "layers").iterdir()] == [".raw"]


def test_where_backups_go(tmp_path: Path) -> None:
    file = tmp_path / "cinder.conf"
    file.write_text("[DEFAULT]\nbackup_driver = cinder.backup.drivers.swift.SwiftBackupDriver\n")
    assert options.repository_of(options.load([file]), tmp_path) is None
    file.write_text("[DEFAULT]\nbackup_compression_algorithm = lzma\n")
    with pytest.raises(ValueError, match="backup_compression_algorithm lzma"):
        options.repository_of(options.load([file]), tmp_path)
