"""A guest's TPM: a swtpm process beside its QEMU, whose state is in the guest's directory.

It ends by itself when its QEMU does. Sources: image properties hw_tpm_version and hw_tpm_model, flavor extra specs
hw:tpm_version and hw:tpm_model; swtpm(8).
"""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Final

from cumulet.agents.compute import run
from cumulet.agents.compute.run import CommandFailed

PROGRAM: Final = "swtpm"
STATE: Final = "tpm"
SOCKET: Final = "tpm.sock"
_LOG: Final = "tpm.log"
_START_S: Final = 20.0
_MODELS: Final = {"1.2": ("tpm-tis",), "2.0": ("tpm-tis", "tpm-crb")}


def choose(image: dict[str, Any], specs: dict[str, Any]) -> dict[str, str]:
    """`{"version", "model"}`, empty for a machine without a TPM. Raises ValueError where it cannot be had."""
    version = str(specs.get("hw:tpm_version") or image.get("hw_tpm_version") or "")
    model = str(specs.get("hw:tpm_model") or image.get("hw_tpm_model") or "tpm-tis")
    if not version:
        return {}
    if version not in _MODELS:
        raise ValueError(f"a TPM of version {version} is not known here (1.2 and 2.0 are)")
    if model not in _MODELS[version]:
        raise ValueError(f"a TPM of version {version} cannot be a {model} (but {', '.join(_MODELS[version])})")
    if shutil.which(PROGRAM) is None:
        raise ValueError("the guest is to have a TPM, which this host cannot emulate: apt-get install swtpm")
    return {"version": version, "model": model}


def traits() -> list[str]:
    """What Placement is told of this host."""
    if shutil.which(PROGRAM) is None:
        return []
    return [f"COMPUTE_SECURITY_TPM_{what}" for what in ("1_2", "2_0", "TIS", "CRB")]


def arguments(chosen: dict[str, str]) -> list[str]:
    """QEMU's."""
    if not chosen:
        return []
    made = ["-chardev", f"socket,id=tpm,path={SOCKET}", "-tpmdev", "emulator,id=tpm0,chardev=tpm"]
    return [*made, "-device", f"{chosen['model']},tpmdev=tpm0"]


def start(directory: Path, chosen: dict[str, str]) -> None:
    """Have one wait for the guest's QEMU. Raises CommandFailed with what it said."""
    if not chosen:
        return
    (directory / STATE).mkdir(mode=0o700, exist_ok=True)
    (directory / SOCKET).unlink(missing_ok=True)
    words = [PROGRAM, "socket", "--tpmstate", f"dir={STATE},mode=0600", "--terminate"]
    words += ["--ctrl", f"type=unixio,path={SOCKET},mode=0600", *(["--tpm2"] if chosen["version"] == "2.0" else [])]
    child = run.start(words, directory, _LOG)
    _children.append(child)
    deadline = time.monotonic() + _START_S
    while not (directory / SOCKET).exists():
        if child.poll() is not None:
            raise CommandFailed(f"the TPM did not start: {(directory / _LOG).read_text(errors='replace')[-500:]}")
        if time.monotonic() > deadline:
            child.kill()
            raise CommandFailed(f"the TPM is not there after {_START_S:.0f} s")
        time.sleep(0.01)


_children: list[subprocess.Popen[bytes]] = []


def bury() -> None:
    """Let go of those that ended."""
    _children[:] = [child for child in _children if child.poll() is None]


def files(directory: Path) -> list[str]:
    """What holds its state, by path in the guest's directory."""
    return [f"{STATE}/{entry.name}" for entry in sorted((directory / STATE).glob("tpm*")) if entry.is_file()]
