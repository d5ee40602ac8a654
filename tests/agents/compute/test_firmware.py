"""UEFI, secure boot and TPMs: which a guest is given, and which cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from cumulet.agents.compute.qemu import firmware, tpm

UEFI = {"hw_firmware_type": "uefi"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd", "OVMF_CODE_4M.ms.fd", "OVMF_VARS_4M.ms.fd"):
        (tmp_path / name).write_text(name)
    return tmp_path


def test_the_image_chooses_the_firmware(place: Path) -> None:
    assert firmware.choose({}, {}, "q35", place) == {}
    plain = firmware.choose(UEFI, {}, "pc", place)
    assert plain == {
        "code": str(place / "OVMF_CODE_4M.fd"),
        "vars": str(place / "OVMF_VARS_4M.fd"),
        "secure": "",
    }
    for wish in ({"os_secure_boot": "required"}, {"os_secure_boot": "optional"}):
        assert firmware.choose(UEFI | wish, {}, "q35", place)["code"].endswith(".ms.fd")
    assert firmware.choose(UEFI, {"os:secure_boot": "required"}, "pc-q35-7.2", place)["secure"] == "yes"
    assert firmware.choose(UEFI | {"os_secure_boot": "optional"}, {}, "pc", place) == plain
    assert firmware.traits(place) == ["COMPUTE_SECURITY_UEFI_SECURE_BOOT"]


def test_what_the_host_or_the_machine_has_not_is_refused(place: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs hw_firmware_type=uefi"):
        firmware.choose({"os_secure_boot": "required"}, {}, "q35", place)
    with pytest.raises(ValueError, match="machine type pc has none"):
        firmware.choose(UEFI, {"os:secure_boot": "required"}, "pc", place)
    empty = tmp_path / "empty"
    for image, says in ((UEFI, "apt-get install ovmf"), (UEFI | {"os_secure_boot": "required"}, "no signed firmware")):
        with pytest.raises(ValueError, match=says):
            firmware.choose(image, {}, "q35", empty)
    assert firmware.traits(empty) == []


def test_variables_are_made_once_and_kept(place: Path, tmp_path: Path) -> None:
    chosen = firmware.choose(UEFI, {}, "q35", place)
    firmware.make(tmp_path, {})
    assert not (tmp_path / firmware.VARIABLES).exists()
    firmware.make(tmp_path, chosen)
    (tmp_path / firmware.VARIABLES).write_text("the guest's own")
    firmware.make(tmp_path, chosen)
    assert (tmp_path / firmware.VARIABLES).read_text() == "the guest's own"
    assert (tmp_path / firmware.VARIABLES).stat().st_mode & 0o777 == 0o600


def test_a_tpm_is_of_a_kind_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tpm.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert tpm.choose({}, {}) == {}
    assert tpm.arguments({}) == []
    assert tpm.choose({"hw_tpm_version": "2.0"}, {"hw:tpm_model": "tpm-crb"}) == {"version": "2.0", "model": "tpm-crb"}
    assert tpm.choose({}, {"hw:tpm_version": "1.2"}) == {"version": "1.2", "model": "tpm-tis"}
    assert "tpm-crb,tpmdev=tpm0" in tpm.arguments({"version": "2.0", "model": "tpm-crb"})
    for image, says in (
        ({"hw_tpm_version": "3.0"}, "version 3.0 is not known"),
        ({"hw_tpm_version": "1.2", "hw_tpm_model": "tpm-crb"}, "1.2 cannot be a tpm-crb"),
    ):
        with pytest.raises(ValueError, match=says):
            tpm.choose(image, {})
    monkeypatch.setattr(tpm.shutil, "which", lambda name: None)
    assert tpm.traits() == []
    with pytest.raises(ValueError, match="apt-get install swtpm"):
        tpm.choose({"hw_tpm_version": "2.0"}, {})
