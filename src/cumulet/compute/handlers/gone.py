"""What earlier clouds had and this one answers as the original does today: gone, or with its older meaning kept."""

from __future__ import annotations

from typing import Any

from cumulet.compute import bodies
from cumulet.compute.service import Compute
from cumulet.kernel.errors import Gone
from cumulet.kernel.http import Call, Handler, Reply


def gone(call: Call[Compute], **params: str) -> Reply:
    raise Gone("This resource is no longer available. No forwarding address is given.")


def gone_action(call: Call[Compute], server_id: str, given: Any) -> Reply:
    raise Gone("This action is no longer available.")


def gone_actions(*names: str) -> Handler:
    """For a resource that is gone but whose actions' names are still told apart from others."""

    def run(call: Call[Compute], **params: str) -> Reply:
        bodies.action(call, dict.fromkeys(names))
        return gone(call)

    return run
