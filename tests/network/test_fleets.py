"""Hosts that one process plays: alive in bulk, with ports that are plugged because their hosts say so."""

from __future__ import annotations

from cumulet.kernel.bus import Call
from cumulet.network.domain import hosts
from cumulet.network.methods import Methods
from cumulet.network.service import Network
from tests.network.support import Api
from tests.network.test_wiring import Host

_CALL = Call(id="call", host="engine", method="", deadline=float("inf"))


def live(network: Network, *names: str, **ports: dict[str, str]) -> None:
    Methods(network).fleet(_CALL, list(names), ports)


def test_they_are_entered_once_and_kept_alive(network: Network, admin: Api) -> None:
    names = [f"fleet-{number}" for number in range(20)]
    live(network, *names)
    (first,) = admin.list("agent", "?host=fleet-7")
    assert (first["agent_type"], first["alive"]) == ("Linux bridge agent", True)
    live(network, *names, "fleet-more", "fleet-more")
    (again,) = admin.list("agent", "?host=fleet-7")
    assert again["id"] == first["id"] and again["heartbeat_timestamp"] >= first["heartbeat_timestamp"]
    assert len(admin.list("agent", "?host=fleet-more")) == 1


def test_ports_are_bound_there_and_are_as_their_hosts_say(network: Network, admin: Api) -> None:
    live(network, "here", "there")
    made, _ = admin.network_with()
    one, off = (
        admin.make("port", network_id=made["id"], admin_state_up=up, **{"binding:host_id": "here"})
        for up in (True, False)
    )
    assert (one["binding:vif_type"], one["status"]) == ("bridge", "DOWN")
    live(network, there={one["id"]: "ACTIVE"})
    assert admin.show("port", one["id"])["status"] == "DOWN"  # not its host
    live(network, here={one["id"]: "ACTIVE", off["id"]: "ACTIVE", "unknown": "ACTIVE"})
    assert admin.show("port", one["id"])["status"] == "ACTIVE"
    assert admin.show("port", off["id"])["status"] == "DOWN"
    live(network, here={one["id"]: "DOWN"})
    assert admin.show("port", one["id"])["status"] == "DOWN"


def test_they_have_no_tunnel_end_points(network: Network) -> None:
    Host(network, "with-tunnels")
    live(network, "without-tunnels")
    with network.db.read() as connection:
        found = hosts.tunnel_ips(connection)
    assert found["with-tunnels"] == "192.0.2.7" and "without-tunnels" not in found
