"""Kernel settings of a namespace, as files below /proc/sys (they show the calling thread's namespace)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cumulet.agents.network import netns

_ROOT = Path("/proc/sys/net")


def ensure(namespace: str | None, settings: Mapping[str, str | int]) -> list[str]:
    """Set what differs; the names of settings that did. A path has slashes, as a device name may have a dot.

    FileNotFoundError if the kernel has no such setting.
    """
    changed = []
    with netns.inside(namespace):
        for name, value in settings.items():
            file = _ROOT / name
            if file.read_text().strip() != str(value):
                file.write_text(str(value))
                changed.append(name)
    return changed


def exists(namespace: str | None, name: str) -> bool:
    with netns.inside(namespace):
        return (_ROOT / name).exists()


def ensure_if_there(namespace: str | None, settings: Mapping[str, str | int]) -> list[str]:
    """The same, without settings that this kernel does not have: a host without IPv6 needs none of its settings."""
    return ensure(namespace, {name: value for name, value in settings.items() if exists(namespace, name)})
