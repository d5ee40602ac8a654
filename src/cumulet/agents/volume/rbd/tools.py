"""Ceph's own tools as subprocesses, each with a limit to its time.

Not python3-rbd, though it can be imported: a call into librbd cannot be ended, so a cluster that does not answer would
hold the agent's threads for ever, and librbd ends the whole process when it finds itself wrong. A tool is killed.
"""

from __future__ import annotations

import shutil
from typing import Any, Final

import msgspec

from cumulet.agents.volume import qemu
from cumulet.agents.volume.nodes import rbd_node
from cumulet.agents.volume.rbd.options import RbdOptions

CHANGE_S: Final = 120.0
"""For a change that does not depend on how much an image holds."""
_LEAST_S, _GIB_S = 600.0, 60.0
_LOOK_S: Final = 30.0


def copy_limit(size_gb: int) -> float:
    """Seconds for what may touch every byte of an image."""
    return _LEAST_S + _GIB_S * size_gb


def rbd_is_missing() -> str | None:
    """Why this host cannot have volumes in Ceph; None where it can."""
    for tool in ("rbd", "ceph"):
        if shutil.which(tool) is None:
            return f"there is no {tool} tool (Debian: ceph-common)"
    try:
        formats = qemu.run(["qemu-img", "--help"], timeout_s=_LOOK_S).decode().rpartition("Supported formats:")[2]
    except qemu.ToolFailed as error:
        return str(error).rstrip(".")
    return None if "rbd" in formats.split() else "QEMU has no rbd block driver (Debian: qemu-block-extra)"


class Tools:
    """`rbd` and `ceph` as the back end's user."""

    def __init__(self, options: RbdOptions) -> None:
        self._options = options
        self._who = ["--conf", str(options.conf), "--cluster", options.cluster]
        if options.user is not None:
            self._who += ["--id", options.user]

    def change(self, *arguments: str, limit_s: float = CHANGE_S) -> None:
        """Raises ToolFailed, whose `code` is an errno; NoSpace."""
        qemu.run(["rbd", *self._who, *arguments], timeout_s=limit_s)

    def ask(self, *arguments: str, limit_s: float | None = None) -> Any:
        """What `rbd` says."""
        argv = ["rbd", *self._who, *arguments, "--format", "json"]
        said = qemu.run(argv, timeout_s=limit_s or self._options.ask_s)
        return msgspec.json.decode(said) if said.strip() else None  # of metadata that is not there it says nothing

    def ask_cluster(self, *arguments: str) -> Any:
        """What `ceph` says, which takes several times as long to start."""
        limit_s = self._options.ask_s
        argv = ["ceph", *self._who, "--connect-timeout", str(limit_s), *arguments, "--format", "json"]
        return msgspec.json.decode(qemu.run(argv, timeout_s=limit_s + 5))

    def node(self, image: str, snapshot: str | None = None, *, writable: bool = False) -> dict[str, Any]:
        """QEMU's block node of an image."""
        known = self._options
        return rbd_node(known.pool, image, snapshot, conf=known.conf, user=known.user, writable=writable)
