"""Query strings of reads, as the original refuses and understands them at each microversion."""

from __future__ import annotations

import pytest

from tests.compute.support import Cloud

NOT_ONE_OF = "is not one of ['created_at', 'description',"


@pytest.mark.parametrize(
    "path",
    [
        *("/flavors", "/flavors/detail", "/limits", "/os-keypairs", "/os-server-groups", "/os-services"),
        *("/os-simple-tenant-usage", "/servers"),
    ],
)
def test_unknown_keys_are_refused_from_2_75_on(cloud: Cloud, path: str) -> None:
    assert cloud.call("GET", f"/v2.1{path}?zzz=1", "admin", "2.74").status == 200
    assert "'zzz'" in str(cloud.json("GET", f"/v2.1{path}?zzz=1", "admin", version="2.75", status=400))


def test_of_things_that_are_not_there_too(cloud: Cloud) -> None:
    assert cloud.call("GET", "/v2.1/os-keypairs/none?zzz=1", "admin", "2.74").status == 404
    for path in ("/os-keypairs/none", "/os-quota-sets/project", "/os-quota-sets/project/detail"):
        assert "'zzz'" in str(cloud.json("GET", f"/v2.1{path}?zzz=1", "admin", version="2.75", status=400))


def test_flavors_are_sorted_by_what_none_has(cloud: Cloud) -> None:
    cloud.flavor()
    assert cloud.json("GET", "/v2.1/flavors?sort_key=vcpu_weight", "admin")["flavors"]


def test_a_flavors_name_is_a_filter_since_2_102_only(cloud: Cloud) -> None:
    for version, status in (("2.74", 200), ("2.75", 400), ("2.96", 400)):
        assert cloud.call("GET", "/v2.1/flavors?name=x", "admin", version).status == status


@pytest.mark.parametrize(
    ("query", "version", "says"),
    [
        ("/flavors?sort_key=zzz", "2.1", NOT_ONE_OF),
        ("/flavors?sort_dir=zzz", "2.1", "is not one of ['asc', 'desc']"),
        ("/os-aggregates/zzz", "2.1", "id must be an integer"),
        ("/os-hypervisors?marker=99", "2.96", "marker [99] not found"),
        ("/os-keypairs?marker=zzz", "2.35", "Marker zzz could not be found."),
        ("/os-migrations?changes-since=zzz", "2.59", "'zzz' is not a 'date-time'"),
        ("/os-security-groups/zzz", "2.35", "Security group id should be uuid"),
        ("/os-server-groups?offset=a", "2.1", "'a' does not match '^[0-9]*$'"),
        ("/servers?all_tenants=maybe", "2.1", "'0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true',"),
        ("/servers?aaa=1&zzz=1", "2.75", "'aaa', 'zzz' do not match any of the regexes: '^_'"),
        ("/servers?ip=[", "2.1", "'[' is not a 'regex'"),
        ("/servers?locked=maybe", "2.73", "Unrecognized value 'maybe'"),
        ("/servers?sort_dir=zzz", "2.1", "must be 'desc' or 'asc'"),
        ("/servers?status=", "2.38", "Invalid status value"),
        ("/servers?status=zzz", "2.38", "Invalid status value"),
        ("/servers?tags=", "2.26", "'' is not a 'regex'"),
        ("/servers?tags-any=", "2.26", "'' is not a 'regex'"),
    ],
)  # fmt: skip
def test_refusals_say_why(cloud: Cloud, query: str, version: str, says: str) -> None:
    assert says in cloud.json("GET", f"/v2.1{query}", "admin", version=version, status=400)["badRequest"]["message"]


@pytest.mark.parametrize(
    ("query", "version", "found"),
    [
        ("deleted=maybe", "2.96", True),
        ("soft_deleted=maybe", "2.96", True),
        ("config_drive=maybe", "2.96", True),
        ("status=zzz", "2.37", False),
        ("status=build&status=zzz", "2.96", True),
        ("tags=,", "2.26", False),
        ("tags-any=,", "2.26", False),
        ("not-tags=,", "2.26", True),
    ],
)
def test_what_lists_of_servers_make_of_odd_values(cloud: Cloud, query: str, version: str, found: bool) -> None:
    server = cloud.boot("admin", tags=["x"])
    listed = cloud.json("GET", f"/v2.1/servers?{query}", "admin", version=version)["servers"]
    assert [one["id"] for one in listed] == ([server["id"]] if found else [])
