"""What earlier clouds had and this one answers as the original does today: gone, or with its older meaning kept."""

from __future__ import annotations

from typing import Any

from cumulet.compute.service import Compute
from cumulet.kernel.errors import Gone
from cumulet.kernel.http import Call, Reply


def gone(call: Call[Compute], **params: str) -> Reply:
    raise Gone("This resource is no longer available. No forwarding address is given.")


def gone_action(call: Call[Compute], server_id: str, given: Any) -> Reply:
    raise Gone("This action is no longer available.")
