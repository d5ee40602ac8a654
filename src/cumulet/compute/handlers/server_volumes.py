"""The volumes of a server as the caller sees them at Volume, for actions that depend on their state."""

from __future__ import annotations

from typing import NamedTuple

from cumulet.compute.domain import block_devices
from cumulet.compute.handlers import volumes
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call


class Attached(NamedTuple):
    boot_index: int | None
    volume: volumes.Volume


def load(call: Call[Compute], server_id: str) -> list[Attached]:
    """Each is asked of Volume by itself: a server has few. Raises NotFound for one that is gone."""
    with call.service.db.read() as connection:
        devices = block_devices.volumes_of(connection, server_id)
    return [Attached(one.boot_index, volumes.load(call, one.volume_id)) for one in devices if one.volume_id is not None]


def root_of(attached: list[Attached]) -> volumes.Volume:
    found = next((one.volume for one in attached if one.boot_index == 0), None)
    if found is None:
        raise BadRequest("Unable to find root block device mapping for volume-backed instance.")
    return found
