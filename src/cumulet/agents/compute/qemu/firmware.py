"""What a guest's machine starts with: its BIOS, or UEFI with variables that are the guest's own.

The variables (boot entries, enrolled keys) are a file in the guest's directory: kept over restarts, resizes and moves,
made anew by a rebuild. Sources: Glance image properties hw_firmware_type and os_secure_boot, flavor extra spec
os:secure_boot; OVMF's README on secure boot (system management mode, protected flash).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

VARIABLES: Final = "firmware.vars"
_PLACE: Final = Path("/usr/share/OVMF")
_PLAIN: Final = (("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"), ("OVMF_CODE.fd", "OVMF_VARS.fd"))
_SECURE: Final = (("OVMF_CODE_4M.ms.fd", "OVMF_VARS_4M.ms.fd"), ("OVMF_CODE.ms.fd", "OVMF_VARS.ms.fd"))


def choose(image: dict[str, Any], specs: dict[str, Any], machine_type: str, place: Path = _PLACE) -> dict[str, str]:
    """`{"code", "vars", "secure"}` for UEFI (`secure` is empty without secure boot); empty for the machine's own BIOS.

    Raises ValueError where the host or the machine cannot have what is wanted.
    """
    secure = str(specs.get("os:secure_boot") or image.get("os_secure_boot") or "disabled")
    if image.get("hw_firmware_type") != "uefi":
        if secure == "required":
            raise ValueError("Secure Boot is required by the flavor or image, which needs hw_firmware_type=uefi")
        return {}
    can = "q35" in machine_type  # the older machine has no system management memory to protect the variables with
    if secure == "required" and not can:
        raise ValueError(f"Secure Boot is required by the flavor or image, and machine type {machine_type} has none")
    if secure in ("required", "optional") and can:
        found = _first(_SECURE, place)
        if found:
            return found | {"secure": "yes"}
        if secure == "required":
            raise ValueError("Secure Boot is required, and this host has no signed firmware: apt-get install ovmf")
    found = _first(_PLAIN, place)
    if not found:
        raise ValueError("the image wants UEFI, which this host does not have: apt-get install ovmf")
    return found | {"secure": ""}


def _first(pairs: tuple[tuple[str, str], ...], place: Path) -> dict[str, str]:
    for code, variables in pairs:
        if (place / code).exists() and (place / variables).exists():
            return {"code": str(place / code), "vars": str(place / variables)}
    return {}


def traits(place: Path = _PLACE) -> list[str]:
    """What Placement is told of this host."""
    return ["COMPUTE_SECURITY_UEFI_SECURE_BOOT"] if _first(_SECURE, place) else []


def make(directory: Path, chosen: dict[str, str]) -> None:
    """The guest's own variables, where there are none yet."""
    target = directory / VARIABLES
    if not chosen or target.exists():
        return
    part = directory / f".{VARIABLES}.part"
    shutil.copyfile(chosen["vars"], part)
    part.chmod(0o600)
    part.replace(target)
