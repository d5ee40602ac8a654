"""Requests that are refused, as the original refuses them: held beside a real Nova of API version 2.104."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.compute.projects import Projects
from tests.compute.images import IMAGE_ID
from tests.compute.support import NETWORK_ID, Cloud


def refusal(cloud: Cloud, method: str, path: str, token: str = "admin", *, status: int = 400, **rest: Any) -> str:
    """The sentence of a refusal, whose body has the form that clients read."""
    answer = cloud.call(method, f"/v2.1{path}", token, **rest)
    assert answer.status == status, (answer.status, answer.body)
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    ((name, fault),) = answer.json().items()
    assert (name, fault["code"]) == (
        {400: "badRequest", 403: "forbidden", 404: "itemNotFound", 409: "conflictingRequest"}[status],
        status,
    )
    return str(fault["message"])


FLAVOR: dict[str, Any] = {"name": "small", "ram": 64, "vcpus": 1, "disk": 1}
SERVER: dict[str, Any] = {"name": "web", "imageRef": IMAGE_ID, "networks": "none"}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "'flavor' is a required property"),
        ([], "[] is not of type 'object'"),
        ({"flavor": {}}, "Invalid input for field/attribute flavor. Value: {}. 'name' is a required property"),
        (
            {"flavor": FLAVOR | {"colour": "red"}},
            "Additional properties are not allowed ('colour' was unexpected)",
        ),
        (
            {"flavor": FLAVOR | {"ram": "much"}},
            "Invalid input for field/attribute ram. Value: much. 'much' is not of type 'integer'",
        ),
        (
            {"flavor": FLAVOR | {"vcpus": 0}},
            "Invalid input for field/attribute vcpus. Value: 0. 0 is less than the minimum of 1",
        ),
        (
            {"flavor": FLAVOR | {"disk": 2**31}},
            "Invalid input for field/attribute disk. Value: 2147483648. 2147483648 is greater than the maximum of "
            "2147483647",
        ),
        (
            {"flavor": FLAVOR | {"name": ""}},
            "Invalid input for field/attribute name. Value: . '' should be non-empty",
        ),
        ({"flavor": FLAVOR | {"name": "x" * 256}}, "is too long"),
        ({"flavor": FLAVOR | {"name": "a\0b"}}, "Invalid input for field/attribute name. "),
        ({"flavor": FLAVOR | {"id": "é"}}, "Invalid input for field/attribute id. Value: é. 'é' does not match "),
        (
            {"flavor": FLAVOR | {"rxtx_factor": 0}},
            "Invalid input for field/attribute rxtx_factor. Value: 0. 0 is less than or equal to the minimum of 0",
        ),
    ],
)
def test_a_body_is_refused_in_the_words_of_the_originals_schemas(cloud: Cloud, body: Any, sentence: str) -> None:
    assert sentence in refusal(cloud, "POST", "/flavors", json=body, version="2.75")


def test_a_body_is_looked_at_before_who_may_send_it(cloud: Cloud) -> None:
    refusal(cloud, "POST", "/flavors", "member", json={"flavor": {}})
    refusal(cloud, "POST", "/flavors", "member", status=403, json={"flavor": FLAVOR})


def test_the_value_is_told_but_not_all_of_a_long_one(cloud: Cloud) -> None:
    said = refusal(cloud, "POST", "/flavors", json={"flavor": FLAVOR | {"ram": "9" + "x" * 100_000}})
    assert "field/attribute ram" in said and len(said) < 3000


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("hw:nope", "1", "extra spec 'hw:nope' does not appear to be a valid extra spec."),
        ("hw:cpu_policy", "nope", "'nope' is not one of: dedicated, shared, mixed."),
        ("hw:numa_nodes", "1.5", "'1.5' is not a valid integer value."),
        ("hw:cpu_cores", "0", "'0' is less than the min value of '1'."),
        ("hw:redirected_usb_ports", "16", "'16' is greater than the max value of '15'."),
        ("hw_rng:allowed", "maybe", "'maybe' is not a valid boolean-like value."),
        ("hw:mem_page_size", "x", "'x' is not of the format '(large|small|any|\\d+([kKMGT]i?)?(b|bit|B)?)'."),
        ("trait:CUSTOM_X", "x", "'x' is not one of: required, forbidden."),
        ("trait:NOPE", "required", "extra spec 'trait:NOPE' does not appear to be a valid extra spec."),
        ("resources:NOPE", "1", "extra spec 'resources:NOPE' does not appear to be a valid extra spec."),
        ("hw:numa_cpus.x", "1", "extra spec 'hw:numa_cpus.x' does not appear to be a valid extra spec."),
        ("capabilities:nope", "1", "extra spec 'capabilities:nope' does not appear to be a valid extra spec."),
        ("group_policy", "x", "'x' is not one of: isolate, none."),
    ],
)
def test_extra_specs_of_the_originals_namespaces_are_checked_since_2_86(
    cloud: Cloud, key: str, value: str, sentence: str
) -> None:
    path = f"/flavors/{cloud.flavor()}/os-extra_specs"
    specs = {"extra_specs": {key: value}}
    assert refusal(cloud, "POST", path, json=specs, version="2.86") == f"Validation failed; {sentence}"
    refusal(cloud, "PUT", f"{path}/{key}", json={key: value}, version="2.86")
    cloud.json("POST", f"/v2.1{path}", "admin", json=specs, version="2.85")


def test_extra_specs_that_fit_and_those_of_an_operator_are_taken(cloud: Cloud) -> None:
    specs = {
        "aggregate_instance_extra_specs:ssd": "true",
        "capabilities:cpu_info:features": "<in> avx",
        "hide_hypervisor_id": "yes",
        "hw:mem_page_size": "2MB",
        "hw:numa_cpus.0": "0-1,^1",
        "hw:numa_mem.1": "512",
        "mine:colour": "red",
        "plain": "x",
        "pci_passthrough:alias": "gpu:1, nic:2",
        "quota:cpu_quota": "-1",
        "resources1:CUSTOM_GOLD": "1",
        "resources:VCPU": "1",
        "trait_A:HW_CPU_X86_AVX2": "required",
    }
    path = f"/v2.1/flavors/{cloud.flavor()}/os-extra_specs"
    assert cloud.json("POST", path, "admin", json={"extra_specs": specs}) == {"extra_specs": specs}
    assert cloud.json("POST", path, "admin", json={"extra_specs": {"number": 1}}) == {"extra_specs": {"number": 1}}
    assert cloud.json("GET", path, "admin") == {"extra_specs": specs | {"number": "1"}}
    assert cloud.json("POST", path, "admin", json={"extra_specs": {}}) == {"extra_specs": {}}


def test_access_to_a_public_flavor_is_given_before_2_7_only(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Projects, "require", lambda projects, project_id: None)  # there is no Identity here
    action = f"/flavors/{cloud.flavor()}/action"
    give, take = ({f"{verb}TenantAccess": {"tenant": "project"}} for verb in ("add", "remove"))
    assert refusal(cloud, "POST", action, json=give, version="2.7", status=409).startswith("Can not add access")
    assert refusal(cloud, "POST", action, json=take, status=404).startswith("Flavor access not found for ")
    assert cloud.json("POST", f"/v2.1{action}", "admin", json=give, version="2.6")["flavor_access"]
    assert cloud.json("POST", f"/v2.1{action}", "admin", json=take)["flavor_access"] == []


def test_services_are_changed_by_actions_up_to_2_52(running: Cloud) -> None:
    body = {"host": "node1", "binary": "nova-compute"}

    def refused(action: str, version: str = "2.52", status: int = 400, **fields: Any) -> str:
        path = f"/os-services/{action}"
        return refusal(running, "PUT", path, json=body | fields, version=version, status=status)

    assert refused("nope", status=404) == "Unknown action"
    assert refused("force-down", "2.10", 404) == "Unknown action"
    assert "'forced_down' was unexpected" in refused("force-down", "2.10", forced_down=True)
    assert refused("force-down") == "Missing forced_down field"
    assert refused("disable-log-reason") == "Missing disabled reason field"
    assert "Only nova-compute services can be updated" in refused("disable", binary="nova-scheduler")
    assert "field/attribute disabled_reason" in refused("disable-log-reason", disabled_reason="")
    assert refused("enable", status=404, host="nope")
    shown = running.json(
        "PUT", "/v2.1/os-services/force-down", "admin", json=body | {"forced_down": "true"}, version="2.11"
    )
    assert shown["service"] == body | {"forced_down": True}


def test_services_are_changed_by_their_uuid_since_2_53(running: Cloud) -> None:
    (service,) = running.json("GET", "/v2.1/os-services?binary=nova-compute", "admin")["services"]

    def refused(body: Any, service_id: str = service["id"]) -> str:
        return refusal(running, "PUT", f"/os-services/{service_id}", json=body)

    assert refused({"host": "node1"}) == "Additional properties are not allowed ('host' was unexpected)"
    assert refused({"status": "enabled"}, "x") == "Invalid uuid x"
    assert refused({}).startswith("No updates were requested.")
    assert refused({"disabled_reason": "r"}).startswith("No updates were requested.")
    assert "with status 'enabled' is invalid" in refused({"status": "enabled", "disabled_reason": "r"})
    assert refusal(running, "DELETE", "/os-services/17") == "Invalid uuid 17"
    assert "binary" in service


def test_aggregates_take_only_names_and_keys_that_can_be_shown(cloud: Cloud) -> None:
    def refused(**fields: Any) -> str:
        return refusal(cloud, "POST", "/os-aggregates", json={"aggregate": {"name": "rack"} | fields})

    for zone in (" a", "a ", "a:b", "a\0b", ""):
        assert "field/attribute availability_zone" in refused(availability_zone=zone)
    assert "field/attribute name" in refused(name="a\0b")
    made = cloud.json("POST", "/v2.1/os-aggregates", "admin", json={"aggregate": {"name": "rack"}})["aggregate"]
    path = f"/os-aggregates/{made['id']}/action"
    refusal(cloud, "POST", path, json={"set_metadata": {"metadata": {"a/b": "c"}}})
    shown = cloud.json("POST", f"/v2.1{path}", "admin", json={"set_metadata": {"metadata": {}}})
    assert shown["aggregate"]["metadata"] == {}
    refusal(cloud, "PUT", f"/os-aggregates/{made['id']}", json={"aggregate": {}})


@pytest.mark.parametrize("field", ["public_key", "user_id", "type"])
def test_what_a_key_pair_does_not_say_is_left_out_and_not_null(cloud: Cloud, field: str) -> None:
    said = refusal(
        cloud, "POST", "/os-keypairs", "member", json={"keypair": {"name": "k", field: None}}, version="2.10"
    )
    assert f"field/attribute {field}. Value: None. None " in said


def test_rules_and_names_of_server_groups(cloud: Cloud) -> None:
    group = {"name": "g", "policy": "anti-affinity"}

    def refused(**fields: Any) -> str:
        return refusal(cloud, "POST", "/os-server-groups", "member", json={"server_group": group | fields})

    assert "field/attribute rules. Value: None" in refused(rules=None)
    assert "field/attribute name" in refused(name="a\0b")
    assert "field/attribute name" in refused(name=" g")
    refusal(cloud, "POST", "/os-server-groups", "reader", status=403, json={"server_group": group})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("availability_zone", None),
        ("config_drive", None),
        ("key_name", None),
        ("user_data", None),
        ("name", " web"),
        ("name", "web "),
        ("imageRef", f"http://image.test/images/{IMAGE_ID}"),
        ("description", "two\nlines"),
        ("trusted_image_certificates", ["a", "a"]),
    ],
)
def test_values_that_a_server_is_not_made_with(cloud: Cloud, field: str, value: Any) -> None:
    server = SERVER | {"flavorRef": cloud.flavor(), field: value}
    assert f"field/attribute {field}" in refusal(cloud, "POST", "/servers", "member", json={"server": server})


def test_scheduler_hints_are_beside_the_server_and_not_in_it(cloud: Cloud) -> None:
    server = SERVER | {"flavorRef": cloud.flavor(), "os:scheduler_hints": {}}
    assert "'os:scheduler_hints' was unexpected" in refusal(
        cloud, "POST", "/servers", "member", json={"server": server}
    )


def test_a_key_of_metadata_is_named_with_what_is_wrong(cloud: Cloud) -> None:
    server = SERVER | {"flavorRef": cloud.flavor(), "metadata": {"a/b": "c"}}
    said = refusal(cloud, "POST", "/servers", "member", json={"server": server})
    assert said.startswith("Invalid input for field/attribute metadata. ")


@pytest.mark.parametrize(
    ("path", "since"),
    [
        ("/extensions", "2.102"),
        ("/flavors/nope", "2.102"),
        ("/os-aggregates", "2.102"),
        ("/os-availability-zone", "2.102"),
        ("/os-hypervisors", "2.53"),
        ("/os-keypairs", "2.75"),
        ("/os-migrations", "2.59"),
        ("/os-quota-class-sets/default", "2.102"),
        ("/servers/nope", "2.102"),
        ("/servers/nope/ips", "2.102"),
    ],
)
def test_a_query_that_nothing_reads_is_refused_since(cloud: Cloud, path: str, since: str) -> None:
    said = refusal(cloud, "GET", f"{path}?nonsense=1", version=since)
    assert said == "Additional properties are not allowed ('nonsense' was unexpected)"
    before = f"2.{int(since[2:]) - 1}"
    assert cloud.call("GET", f"/v2.1{path}?nonsense=1", "admin", version=before).status in (200, 404)


def test_some_that_read_no_query_take_any(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Projects, "require", lambda projects, project_id: None)  # there is no Identity here
    cloud.json("GET", "/v2.1/os-quota-sets/project/defaults?nonsense=1", "admin")
    server = f"/v2.1/servers/{cloud.boot()['id']}"
    assert cloud.json("GET", f"{server}/tags?nonsense=1", "member") == {"tags": []}
    refusal(cloud, "GET", f"{server.removeprefix('/v2.1')}/os-volume_attachments/x?y=1", "member", status=404)


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/flavors?limit=", "2.1"),
        ("/flavors?is_public=", "2.1"),
        ("/os-hypervisors?hypervisor_hostname_pattern=", "2.53"),
        ("/os-simple-tenant-usage?start=2020-01-01", "2.1"),
        ("/os-simple-tenant-usage?start=2020-01-01%2000:00:00", "2.1"),
        ("/os-instance_usage_audit_log/2020-01-01", "2.1"),
    ],
)
def test_values_in_the_path_or_query_that_are_refused(cloud: Cloud, path: str, version: str) -> None:
    refusal(cloud, "GET", path, version=version)


def test_limits_of_a_project_by_its_id_are_an_operators(cloud: Cloud) -> None:
    refusal(cloud, "GET", "/limits?tenant_id=project", "member", status=403)
    cloud.json("GET", "/v2.1/limits?tenant_id=project", "admin")


def test_a_project_in_the_path_is_the_callers_own(cloud: Cloud) -> None:
    said = refusal(cloud, "GET", f"/{NETWORK_ID}/servers", "member")
    assert said.startswith(f"Malformed request URL: URL's project_id '{NETWORK_ID}' doesn't match")


def test_lists_of_servers_are_sorted_by_hosts_for_administrators_only(cloud: Cloud) -> None:
    said = refusal(cloud, "GET", "/servers?sort_key=host", "member", status=403)
    assert said == "Only administrators can sort servers by host"
    assert cloud.json("GET", "/v2.1/servers?sort_key=host&marker=", "admin")["servers"] == []
    refusal(cloud, "GET", "/servers?limit=", "member")


def test_what_is_plugged_into_a_server_is_named_and_not_null(cloud: Cloud) -> None:
    server = f"/servers/{cloud.boot()['id']}"
    for field in ("net_id", "port_id"):
        body: dict[str, Any] = {"interfaceAttachment": {field: None}}
        said = refusal(cloud, "POST", f"{server}/os-interface", "member", json=body)
        assert f"field/attribute {field}. Value: None" in said
    volumes = f"{server}/os-volume_attachments"
    refusal(cloud, "GET", f"{volumes}?x=1", "member", version="2.75")
    cloud.json("GET", f"/v2.1{volumes}?x=1", "member", version="2.74")
    body = {"volumeAttachment": {"volumeId": IMAGE_ID, "device": ""}}
    assert "field/attribute device" in refusal(cloud, "POST", volumes, "member", json=body)
    body = {"volumeAttachment": {"volumeId": IMAGE_ID, "serverId": IMAGE_ID}}
    said = refusal(cloud, "PUT", f"{volumes}/{IMAGE_ID}", "member", json=body, version="2.84")
    assert said == "Additional properties are not allowed ('serverId' was unexpected)"


def test_a_tag_is_in_the_path_and_nowhere_else(cloud: Cloud) -> None:
    tags = f"/servers/{cloud.boot()['id']}/tags"
    assert refusal(cloud, "PUT", f"{tags}/a", "member", json={"x": 1}) == "{'x': 1} is not of type 'null'"
    assert "without characters '/' and ','" in refusal(cloud, "PUT", f"{tags}/a,b", "member")
    assert "has no tag 'a'" in refusal(cloud, "DELETE", f"{tags}/a", "member", status=404)


def test_the_old_name_of_servers_ends_with_2_102(cloud: Cloud) -> None:
    cloud.json("GET", "/v2.1/os-volumes_boot", "member", version="2.102")
    refusal(cloud, "GET", "/os-volumes_boot", "member", version="2.103", status=404)
