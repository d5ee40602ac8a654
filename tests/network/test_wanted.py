"""The documents that the service makes are those that a host's agent reads: a whole one, then what changed."""

from __future__ import annotations

from cumulet.agents.network.deltas import Delta, WantedState, apply_delta, decode
from cumulet.kernel.bus import Call
from cumulet.network.methods import Methods
from cumulet.network.service import Network
from tests.network.support import Api
from tests.network.test_wiring import Host


def asked(network: Network, methods: Methods, host: str, have: int = 0) -> WantedState | Delta:
    call = Call(id="call", host="engine", method="", deadline=float("inf"))
    answer = decode(methods.wanted(call, host, have, have)["document"])
    assert answer.errors == {}
    return answer.document


def test_an_agent_reads_what_it_is_told_and_ends_where_a_new_one_begins(network: Network, admin: Api) -> None:
    Host(network, "reading")
    methods = Methods(network)
    made, subnet = admin.network_with()
    friends = admin.make("security_group", name="friends")
    group = admin.make("security_group", name="mine")
    admin.make("security_group_rule", security_group_id=group["id"], direction="ingress", remote_group_id=friends["id"])
    here = {"network_id": made["id"], "binding:host_id": "reading"}
    pair = {"ip_address": "198.51.100.0/24", "mac_address": "fa:16:3e:00:00:01"}
    first = admin.make("port", **here, security_groups=[group["id"]], allowed_address_pairs=[pair])
    option = {"opt_name": "bootfile-name", "opt_value": "pxelinux.0", "ip_version": 4}
    gone = admin.make("port", **here, extra_dhcp_opts=[option])

    before = asked(network, methods, "reading")
    assert isinstance(before, WantedState)
    port = before.ports[first["id"]]
    assert [str(fixed.ip_address) for fixed in port.fixed_ips] == [one["ip_address"] for one in first["fixed_ips"]]
    assert [fixed.subnet_id for fixed in port.fixed_ips] == [subnet["id"]]
    assert list(port.security_groups) == [group["id"]]
    assert [str(one.ip_address) for one in port.allowed_address_pairs] == [pair["ip_address"]]
    assert [one.opt_value for one in before.endpoints[gone["id"]].extra_dhcp_opts] == ["pxelinux.0"]
    assert friends["id"] in {rule.remote_group_id for rule in before.security_groups[group["id"]].rules}

    admin.delete("port", gone["id"])
    joined = admin.make("port", network_id=made["id"], security_groups=[friends["id"]])
    delta = asked(network, methods, "reading", before.generation)
    assert isinstance(delta, Delta)
    after = apply_delta(before, delta)
    assert gone["id"] not in after.ports and joined["id"] in after.endpoints
    assert joined["id"] not in after.ports
    assert joined["fixed_ips"][0]["ip_address"] in {str(one) for one in after.address_sets[friends["id"]].addresses}
    assert after == asked(network, Methods(network), "reading")
