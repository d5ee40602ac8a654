"""`/v2.1/servers/{id}/shares` since 2.97 (Compute API, Server shares). No file share service is in the catalog of a
cloud like this, so no server has one; whatever depends on a share answers that it cannot be found."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy.engine import Row

from cumulet.compute.bodies import read
from cumulet.compute.handlers import server_access
from cumulet.compute.schemas.servers import Uuid
from cumulet.compute.service import Compute
from cumulet.kernel.errors import Conflict, NotFound
from cumulet.kernel.http import Call, Reply


class _Share(Struct, forbid_unknown_fields=True):
    share_id: Uuid
    tag: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType = UNSET


class _Body(Struct, forbid_unknown_fields=True):
    share: _Share


def _server(call: Call[Compute], server_id: str, verb: str) -> Row[Any]:
    with call.service.db.read() as connection:
        return server_access.load(call, connection, server_id, f"os-server-shares:{verb}")


def _require(row: Row[Any], verb: str, *states: str) -> None:
    if row.vm_state not in states:
        raise Conflict(f"Cannot '{verb}' instance {row.id} while it is in vm_state {row.vm_state}")


def index(call: Call[Compute], server_id: str) -> Reply:
    _server(call, server_id, "index")
    return Reply({"shares": []})


def create(call: Call[Compute], server_id: str) -> Reply:
    row = _server(call, server_id, "create")
    share = read(call, _Body).share
    _require(row, "create share", "stopped")
    raise _missing(share.share_id)


def show(call: Call[Compute], server_id: str, share_id: str) -> Reply:
    _server(call, server_id, "show")
    raise _missing(share_id)


def delete(call: Call[Compute], server_id: str, share_id: str) -> Reply:
    row = _server(call, server_id, "delete")
    _require(row, "delete share", "stopped", "error")
    raise _missing(share_id)


def _missing(share_id: str) -> NotFound:
    return NotFound(f"Share {share_id} could not be found.")
