"""The version documents, and how clients find v3."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.identity.login import Cloud

V3 = {
    "id": "v3.14",
    "status": "stable",
    "updated": "2020-04-07T00:00:00Z",
    "links": [{"rel": "self", "href": "http://cloud.test:1/v3/"}],
    "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
}


@pytest.fixture(scope="module")
def cloud(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    made = Cloud(module_database_url, tmp_path_factory.mktemp("state"))
    yield made
    made.identity.db.close()


def test_the_root_lists_the_versions_there_are(cloud: Cloud) -> None:
    answer = cloud.client.get("/")
    assert (answer.status, answer.json()) == (300, {"versions": {"values": [V3]}})
    assert answer.headers["location"] == "http://cloud.test:1/v3/"


@pytest.mark.parametrize("path", ["/v3", "/v3/"])
def test_v3_describes_itself(cloud: Cloud, path: str) -> None:
    answer = cloud.client.get(path)
    assert (answer.status, answer.json()) == (200, {"version": V3})


@pytest.mark.parametrize("path", ["/v2.0", "/v2.0/", "/v2.0/tokens", "/v2.0/tenants/x/users"])
def test_v2_of_old_catalogs_points_to_v3(cloud: Cloud, path: str) -> None:
    for method in ("GET", "POST"):
        answer = cloud.client.request(method, path)
        assert (answer.status, answer.json()) == (300, {"versions": {"values": [V3]}})


def test_a_public_endpoint_is_what_links_start_with(
    database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    options = "[DEFAULT]\npublic_endpoint = https://id.example.org/identity/\n"
    cloud = Cloud(database_url, tmp_path_factory.mktemp("state"), options)
    assert cloud.client.get("/v3").json()["version"]["links"][0]["href"] == "https://id.example.org/identity/v3/"
    refused = cloud.client.get("/v3/auth/projects")
    assert refused.headers["www-authenticate"] == 'Keystone uri="https://id.example.org/identity/v3"'
    cloud.identity.db.close()


def test_a_cloud_that_federates_with_nobody_says_so(cloud: Cloud) -> None:
    admin = cloud.admin_token
    for kind in ("identity_providers", "mappings", "service_providers"):
        assert cloud.client.get(f"/v3/OS-FEDERATION/{kind}", token=admin).json()[kind] == []
        assert cloud.client.get(f"/v3/OS-FEDERATION/{kind}/x", token=admin).status == 404
    assert cloud.client.get("/v3/OS-FEDERATION/identity_providers/x/protocols/y", token=admin).status == 404
    for path in (
        "/v3/OS-FEDERATION/identity_providers/x/protocols/y/auth",
        "/v3/auth/OS-FEDERATION/websso/saml2",
        "/v3/auth/OS-FEDERATION/identity_providers/x/protocols/y/websso",
    ):
        assert cloud.client.get(path).status == 401
