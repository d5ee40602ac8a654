"""The secret by which Compute's metadata service believes Network's proxy, made at the cloud's first start.

Operators who run the two on different machines name one themselves, as `metadata_proxy_shared_secret` in nova.conf and
metadata_agent.ini; it wins over this one.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from cumulet.kernel.paths import Paths
from cumulet.kernel.settings import write_private


def _file(paths: Paths) -> Path:
    return paths.keys / "metadata_proxy_shared_secret"


def ensure(paths: Paths) -> None:
    """Make it if there is none."""
    if not _file(paths).exists():
        write_private(_file(paths), secrets.token_urlsafe(32).encode())


def load(paths: Paths) -> str | None:
    """None before the cloud's first start, and on machines that only run agents."""
    file = _file(paths)
    return file.read_text() if file.exists() else None
