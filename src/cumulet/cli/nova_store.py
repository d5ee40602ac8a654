"""Compute's store, for `nova-manage` and `nova-status`."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import Any

from cumulet.cli.stores import opened, settings_of
from cumulet.processes import logins


@contextlib.contextmanager
def compute_service(given: argparse.Namespace, *, synchronised: bool = True) -> Iterator[Any]:
    """The Compute service of the cloud in its directories; `synchronised`: with its tables up to date."""
    settings = settings_of(given, "nova", keep=True)
    logins.ensure_passwords(settings.paths)
    with opened(settings, "compute", synchronised=synchronised) as compute:
        yield compute
