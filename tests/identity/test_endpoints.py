"""`/v3/endpoints`: where services answer."""

from __future__ import annotations

import pytest

from tests.identity import make
from tests.identity.conftest import Caller


def test_an_endpoint_is_created_shown_changed_and_deleted(client: Caller) -> None:
    service, other = make.service(client), make.service(client)
    make.region(client, "east")
    body = {
        "interface": "public",
        "service_id": service,
        "region_id": "east",
        "url": "http://host/v3/%(project_id)s",
        "name": "front door",
        "floor": 1,
    }
    made = client.post("/v3/endpoints", {"endpoint": body})
    assert made.status == 201
    endpoint = made.json()["endpoint"]
    path = f"/v3/endpoints/{endpoint['id']}"
    assert endpoint == {
        **body,
        "id": endpoint["id"],
        "region": "east",
        "enabled": True,
        "links": {"self": "http://cloud.test:1" + path},
    }
    assert client.get(path).json()["endpoint"] == endpoint
    changes = {"url": "https://host/v4", "service_id": other, "region_id": None, "enabled": False, "floor": 2}
    changed = client.patch(path, {"endpoint": changes})
    assert changed.status == 200
    assert changed.json()["endpoint"] == {**endpoint, **changes, "region": None}
    assert client.delete(path).status == 204
    assert client.get(path).status == client.delete(path).status == 404
    assert client.patch(path, {"endpoint": {"url": "http://x"}}).status == 404


def test_a_region_under_its_older_name_is_made(client: Caller) -> None:
    service = make.service(client)
    body = {"interface": "admin", "service_id": service, "url": "http://host", "region": "made-for-it"}
    endpoint = client.post("/v3/endpoints", {"endpoint": body}).json()["endpoint"]
    assert endpoint["region"] == endpoint["region_id"] == "made-for-it"
    assert client.get("/v3/regions/made-for-it").status == 200
    changed = client.patch(f"/v3/endpoints/{endpoint['id']}", {"endpoint": {"region": "made-later"}})
    assert changed.json()["endpoint"]["region_id"] == "made-later"
    assert client.get("/v3/regions/made-later").status == 200


def test_filters(client: Caller) -> None:
    service = make.service(client)
    make.region(client, "west")
    one = make.endpoint(client, service, interface="public", region_id="west")
    two = make.endpoint(client, service, interface="internal")

    def listed(query: str) -> list[str]:
        return sorted(endpoint["id"] for endpoint in client.get(f"/v3/endpoints?{query}").json()["endpoints"])

    assert listed(f"service_id={service}") == sorted([one, two])
    assert listed(f"service_id={service}&interface=internal") == [two]
    assert listed("region_id=west") == [one]
    assert listed(f"service_id={service}&region_id=") == []
    assert listed(f"service_id={service}&interface__contains=pub") == [one]
    assert client.get("/v3/endpoints?interface=outside").status == 400


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"interface": "publicURL"}, "interface"),
        ({"interface": None}, "interface"),
        ({"service_id": "nothing"}, "service_id"),
        ({"service_id": None}, "service_id"),
        ({"region_id": "nowhere"}, "region_id"),
        ({"region_id": ""}, "region_id"),
        ({"enabled": None}, "enabled"),
        ({"url": "host"}, "url"),
        ({"url": None}, "url"),
        ({"url": "http://host/" + "x" * 225}, "url"),
        ({"url": "http://host/%(tenant_id)"}, "invalid URL"),
        ({"url": "http://host/$(tenant_id)"}, "invalid URL"),
        ({"url": "http://host/%(admin_token)s"}, "invalid URL"),
        ({"url": "http://host/%(project_id)d"}, "invalid URL"),
        ({"url": "http://host/%s"}, "invalid URL"),
        ({"url": "http://host/%20"}, "invalid URL"),
        ({"url": "http://host/%(project_id.__class__)s"}, "invalid URL"),
    ],
)
def test_bad_bodies(client: Caller, changes: dict[str, object], words: str) -> None:
    body = {"interface": "public", "service_id": make.service(client), "url": "http://host", **changes}
    refused = client.post("/v3/endpoints", {"endpoint": body})
    assert refused.status == 400
    assert words in refused.json()["error"]["message"]
    path = f"/v3/endpoints/{make.endpoint(client, make.service(client))}"
    assert client.patch(path, {"endpoint": changes}).status == 400


def test_what_is_missing_is_named(client: Caller) -> None:
    body = {"interface": "public", "service_id": make.service(client), "url": "http://host"}
    for field in body:
        refused = client.post("/v3/endpoints", {"endpoint": {key: body[key] for key in body if key != field}})
        assert refused.status == 400
        assert field in refused.json()["error"]["message"]
    assert client.post("/v3/endpoints", {}).status == 400
    path = f"/v3/endpoints/{make.endpoint(client, body['service_id'])}"
    assert client.patch(path, {"endpoint": {}}).status == 400
    assert client.patch(path, {"endpoint": {"id": "another"}}).status == 400


def test_who_may_do_what(client: Caller) -> None:
    path = f"/v3/endpoints/{make.endpoint(client, make.service(client))}"
    assert client.as_("system_reader").get(path).status == 200
    assert client.as_("system_reader").delete(path).status == 403
    assert client.as_("member").get("/v3/endpoints").status == 403
