"""Where a guest's devices are in its machine, which only its host knows."""

from __future__ import annotations

import logging
from typing import Any, Final

from sqlalchemy.engine import Row

from cumulet.compute.service import Compute
from cumulet.kernel.bus import BusError

log = logging.getLogger(__name__)
_PATIENCE_S: Final = 5.0


def addresses(compute: Compute, row: Row[Any]) -> dict[str, dict[str, str]]:
    """By volume and port id; empty while the host cannot say: a guest that starts is not to wait for it."""
    if row.host is None:
        return {}
    try:
        args = {"server_id": row.id}
        found: dict[str, dict[str, str]] = compute.bus.call(row.host, "compute.addresses", args, timeout_s=_PATIENCE_S)
    except BusError as error:
        log.info("host %s does not say where the devices of server %s are: %s", row.host, row.id, error)
        return {}
    return found
