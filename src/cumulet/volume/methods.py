"""What the engine answers to back ends' agents over the bus. Agents have no database: the engine writes for them."""

from __future__ import annotations

from collections.abc import Mapping

from cumulet.kernel.bus import Method
from cumulet.volume.service import Volume


def methods(volume: Volume) -> Mapping[str, Method]:
    return {}
