"""`/v2.1/servers/{id}/ips` (Compute API, Servers IPs)."""

from __future__ import annotations

from cumulet.compute.handlers import server_access, server_pieces
from cumulet.compute.service import Compute
from cumulet.kernel.errors import NotFound
from cumulet.kernel.http import Call, Reply


def index(call: Call[Compute], server_id: str) -> Reply:
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, "ips:index")
    return Reply({"addresses": server_pieces.addresses(row.addresses, plain=True)})


def show(call: Call[Compute], server_id: str, network: str) -> Reply:
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, "ips:show")
    found = server_pieces.addresses_of(row.addresses)
    if network not in found:
        raise NotFound("Instance is not a member of specified network")
    return Reply({network: found[network]})
