"""What the engine answers to back ends' agents over the bus. Agents have no database: the engine writes for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cumulet.agents.volume.protocols import Report
from cumulet.kernel.bus import Method
from cumulet.kernel.bus.contract import Call
from cumulet.volume.domain import services
from cumulet.volume.service import Volume


def methods(volume: Volume) -> Mapping[str, Method]:
    def report(call: Call, report: dict[str, Any]) -> None:
        """A host lives and has these back ends. Raises ValueError for a malformed report."""
        services.report(volume, msgspec.convert(report, Report))

    return {"volume.report": report}
