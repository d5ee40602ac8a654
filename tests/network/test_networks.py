"""Networks: who sees them, what they are made of, what keeps them from going."""

from __future__ import annotations

import pytest

from tests.network.support import Api, refusal


def test_a_network_shows_what_it_was_made_with_and_what_follows(api: Api) -> None:
    made = api.make("network", name="blue", description="cold", mtu=1400)
    assert made["status"] == "ACTIVE" and made["admin_state_up"] is True and made["shared"] is False
    assert made["mtu"] == 1400 and made["subnets"] == [] and made["project_id"] == made["tenant_id"] == "ours"
    assert made["created_at"].endswith("Z") and made["revision_number"] == 1
    assert api.show("network", made["id"]) == made
    changed = api.change("network", made["id"], name="green", admin_state_up=False)
    assert (changed["name"], changed["admin_state_up"], changed["revision_number"]) == ("green", False, 2)
    api.delete("network", made["id"])
    assert refusal(api.client.get(f"/v2.0/networks/{made['id']}")) == (404, "NetworkNotFound")


def test_only_administrators_see_and_choose_how_a_network_is_built(api: Api, admin: Api) -> None:
    made = api.make("network", name="plain")
    assert not [key for key in made if key.startswith("provider:")]
    shown = admin.show("network", made["id"])
    assert shown["provider:network_type"] == "vxlan" and shown["provider:segmentation_id"] > 0
    chosen = {"network": {"provider:network_type": "vxlan", "provider:segmentation_id": 7777}}
    assert refusal(api.client.post("/v2.0/networks", chosen)) == (403, "PolicyNotAuthorized")
    assert admin.make("network", **chosen["network"])["provider:segmentation_id"] == 7777
    assert refusal(admin.client.post("/v2.0/networks", chosen)) == (409, "TunnelIdInUse")


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        ({"provider:network_type": "token-ring"}, "InvalidInput"),
        ({"provider:network_type": "flat"}, "InvalidInput"),
        ({"provider:network_type": "flat", "provider:physical_network": "p", "provider:segmentation_id": 3}, None),
        ({"provider:network_type": "vxlan", "provider:segmentation_id": 2**24}, "InvalidInput"),
        ({"provider:network_type": "vlan", "provider:segmentation_id": 12}, "InvalidInput"),
        ({"provider:network_type": "local", "provider:physical_network": "p"}, "InvalidInput"),
        ({"provider:segmentation_id": 12}, "InvalidInput"),
    ],
)
def test_a_segment_that_makes_no_sense_is_refused(admin: Api, wanted: dict[str, object], kind: str | None) -> None:
    status, found = refusal(admin.client.post("/v2.0/networks", {"network": wanted}))
    assert status == 400 and found == (kind or found)


def test_a_flat_physical_network_has_one_network(admin: Api) -> None:
    flat = {"provider:network_type": "flat", "provider:physical_network": "cable"}
    first = admin.make("network", **flat)
    assert refusal(admin.client.post("/v2.0/networks", {"network": flat})) == (409, "FlatNetworkInUse")
    admin.delete("network", first["id"])
    assert admin.make("network", **flat)["mtu"] == 1500


def test_vlan_ids_are_each_networks_own(admin: Api) -> None:
    vlan = {
        "provider:network_type": "vlan",
        "provider:physical_network": "trunk",
        "provider:segmentation_id": 100,
    }
    admin.make("network", **vlan)
    assert refusal(admin.client.post("/v2.0/networks", {"network": vlan})) == (409, "VlanIdInUse")
    admin.make("network", **{**vlan, "provider:physical_network": "other"})


def test_a_network_of_another_project_is_not_there(api: Api) -> None:
    made = api.make("network")
    stranger = api.as_("stranger")
    for answer in (
        stranger.client.get(f"/v2.0/networks/{made['id']}"),
        stranger.client.put(f"/v2.0/networks/{made['id']}", {"network": {"name": "mine"}}),
        stranger.client.delete(f"/v2.0/networks/{made['id']}"),
    ):
        assert refusal(answer) == (404, "NetworkNotFound")
    assert made["id"] not in {one["id"] for one in stranger.list("network")}


def test_a_reader_looks_and_changes_nothing(api: Api) -> None:
    made = api.make("network")
    reader = api.as_("reader")
    assert reader.show("network", made["id"])["id"] == made["id"]
    assert refusal(reader.client.post("/v2.0/networks", {"network": {}})) == (403, "PolicyNotAuthorized")
    assert reader.client.delete(f"/v2.0/networks/{made['id']}").status == 403
    assert api.as_("nobody").list("network") == []
    assert api.as_("nobody").client.get(f"/v2.0/networks/{made['id']}").status == 404


def test_a_shared_network_is_everybodys_to_use_and_its_owners_to_change(api: Api, admin: Api) -> None:
    made = admin.make("network", shared=True)
    assert api.show("network", made["id"])["shared"] is True
    port = api.make("port", network_id=made["id"])
    assert refusal(api.client.put(f"/v2.0/networks/{made['id']}", {"network": {"name": "x"}}))[0] == 403
    assert refusal(admin.client.put(f"/v2.0/networks/{made['id']}", {"network": {"shared": False}})) == (
        409,
        "InvalidSharedSetting",
    )
    api.delete("port", port["id"])
    assert admin.change("network", made["id"], shared=False)["shared"] is False
    assert api.client.get(f"/v2.0/networks/{made['id']}").status == 404
    assert refusal(api.client.post("/v2.0/networks", {"network": {"shared": True}}))[0] == 403


def test_everybody_sees_external_networks_and_their_subnets_and_nobody_puts_ports_there(api: Api) -> None:
    public = api.external("172.24.9.0/24")
    shown = api.show("network", public["id"])
    assert shown["router:external"] is True
    (subnet,) = api.list("subnet", f"?network_id={public['id']}")
    assert subnet["router:external"] is True and subnet["cidr"] == "172.24.9.0/24"
    assert refusal(api.client.post("/v2.0/ports", {"port": {"network_id": public["id"]}})) == (
        403,
        "PolicyNotAuthorized",
    )


def test_an_external_network_goes_with_its_idle_floating_ips(api: Api, admin: Api) -> None:
    public = api.external("172.24.10.0/24")
    floating = api.make("floatingip", floating_network_id=public["id"])
    admin.delete("network", public["id"])
    assert api.client.get(f"/v2.0/floatingips/{floating['id']}").status == 404


def test_a_network_with_a_port_stays(api: Api) -> None:
    network, _ = api.network_with()
    port = api.make("port", network_id=network["id"])
    assert refusal(api.client.delete(f"/v2.0/networks/{network['id']}")) == (409, "NetworkInUse")
    api.delete("port", port["id"])
    api.delete("network", network["id"])
    assert api.list("subnet", f"?network_id={network['id']}") == []


def test_only_one_external_network_is_the_default(api: Api, admin: Api) -> None:
    first = admin.make("network", **{"router:external": True, "is_default": True})
    other = {"network": {"router:external": True, "is_default": True}}
    assert refusal(admin.client.post("/v2.0/networks", other)) == (409, "DefaultExternalNetworkExists")
    assert refusal(admin.client.post("/v2.0/networks", {"network": {"is_default": True}}))[0] == 400
    admin.delete("network", first["id"])


def test_the_mtu_is_what_the_tunnel_leaves(api: Api) -> None:
    assert api.make("network")["mtu"] == 1450
    assert refusal(api.client.post("/v2.0/networks", {"network": {"mtu": 9000}})) == (400, "InvalidInput")
    network, _ = api.network_with("2001:db8:5::/64")
    assert refusal(api.client.put(f"/v2.0/networks/{network['id']}", {"network": {"mtu": 1000}}))[0] == 400


def test_several_are_made_at_once_or_none(api: Api) -> None:
    before = len(api.list("network"))
    answer = api.client.post("/v2.0/networks", {"networks": [{"name": "a"}, {"name": "b"}]})
    assert answer.status == 201 and [one["name"] for one in answer.json()["networks"]] == ["a", "b"]
    bad = api.client.post("/v2.0/networks", {"networks": [{"name": "c"}, {"name": "d", "mtu": 99999}]})
    assert bad.status == 400
    assert len(api.list("network")) == before + 2


def test_a_change_that_expects_another_revision_is_refused(api: Api) -> None:
    made = api.make("network")
    path, body = f"/v2.0/networks/{made['id']}", {"network": {"name": "x"}}
    late = api.client.put(path, body, headers={"If-Match": "revision_number=99"})
    assert refusal(late) == (412, "RevisionNumberConstraintFailed")
    assert api.client.put(path, body, headers={"If-Match": "revision_number=1"}).status == 200
    assert api.client.put(path, body, headers={"If-Match": "revision_number=two"}).status == 400
    assert api.client.put(path, body, headers={"If-Match": "etag"}).status == 200  # not ours to heed


def test_segments_of_a_network_are_shown_in_place_of_one(admin: Api) -> None:
    segments = [{"provider:network_type": "vxlan", "provider:segmentation_id": number} for number in (901, 902)]
    made = admin.make("network", segments=segments)
    assert "provider:network_type" not in made
    assert [one["provider:segmentation_id"] for one in made["segments"]] == [901, 902]
    both = {"segments": segments, "provider:network_type": "vxlan"}
    assert admin.client.post("/v2.0/networks", {"network": both}).status == 400
