"""Where the stock clients are: `.clients` (scripts/clients), or the environment that $CUMULET_SUITES names."""

from __future__ import annotations

import os
from pathlib import Path

_PLACES = (Path(".clients"), Path(".suites"), Path(os.environ.get("CUMULET_SUITES", ".suites")))


def program(name: str) -> str | None:
    """The path of `openstack` or `glance`, None without it."""
    found = next((place / "bin" / name for place in _PLACES if (place / "bin" / name).exists()), None)
    return str(found.absolute()) if found is not None else None


OPENSTACK = program("openstack")
WITHOUT = "python-openstackclient is not installed (scripts/clients installs it)"
