"""`/v2.1/os-baremetal-nodes` up to 2.35: what Compute told of a bare metal service beside it. There is none here."""

from __future__ import annotations

from typing import Final

from cumulet.compute import bodies
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest, NotImplementedHere
from cumulet.kernel.http import Call, Reply

_COMMANDS: Final = {"add_interface": "port-create", "remove_interface": "port-delete"}


def _may(call: Call[Compute], verb: str) -> None:
    call.service.policy.can(call.ctx, f"os_compute_api:os-baremetal-nodes:{verb}", {})


def index(call: Call[Compute]) -> Reply:
    _may(call, "list")
    raise NotImplementedHere("Ironic client unavailable, cannot access Ironic.")


def show(call: Call[Compute], node_id: str) -> Reply:
    _may(call, "show")
    raise NotImplementedHere("Ironic client unavailable, cannot access Ironic.")


def create(call: Call[Compute]) -> Reply:
    raise _elsewhere("node-create")


def delete(call: Call[Compute], node_id: str) -> Reply:
    raise _elsewhere("node-delete")


def act(call: Call[Compute], node_id: str) -> Reply:
    name, _ = bodies.action(call, _COMMANDS)
    raise _elsewhere(_COMMANDS[name])


def _elsewhere(command: str) -> BadRequest:
    return BadRequest(f"Command not supported. Please use Ironic command {command} to perform this action.")
