"""placement.conf as the install guides write it, and what its options change."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from cumulet.kernel import migrate
from cumulet.kernel.environment import Environment
from cumulet.kernel.settings import Settings
from cumulet.placement import app
from cumulet.placement.service import Placement
from tests.placement.support import Api, make_placement, uuid
from tests.support import Client

GUIDE = """
[DEFAULT]
[api]
auth_strategy = keystone
[cors]
[keystone_authtoken]
auth_url = http://controller:5000/v3
memcached_servers = controller:11211
auth_type = password
project_domain_name = Default
user_domain_name = Default
project_name = service
username = placement
password = PLACEMENT_PASS
[oslo_policy]
[placement]
[placement_database]
connection = {connection}
[profiler]
"""
CANDIDATES = "/allocation_candidates?resources=VCPU:1"


def with_conf(state: Path, text: str) -> Placement:
    environment = Environment(Settings(state_dir=str(state)))
    environment.paths.make()
    (environment.paths.config / "placement.conf").write_text(text)
    return app.build_service(environment)


def test_the_guides_file_is_accepted(tmp_path: Path, database_url: str) -> None:
    placement = with_conf(tmp_path, GUIDE.format(connection=database_url))
    assert placement.db.url.database == make_url(database_url).database
    assert migrate.upgrade(placement.db, app.SCHEMA)
    app.prepare(placement, {})
    assert Client(app.build_api(placement)).get("/").status == 200
    assert Client(app.build_api(placement)).get("/resource_providers").status == 401
    placement.db.close()


def test_no_authentication_for_tests(tmp_path: Path) -> None:
    placement = with_conf(tmp_path, "[api]\nauth_strategy = noauth2\n")
    migrate.upgrade(placement.db, app.SCHEMA)
    client = Client(app.build_api(placement))
    assert client.get("/resource_providers").status == 401
    assert client.get("/resource_providers", token="admin").status == 200
    assert client.get("/resource_providers", token="somebody:project").status == 403
    placement.db.close()


def test_an_unknown_strategy_is_refused(tmp_path: Path) -> None:
    placement = with_conf(tmp_path, "[api]\nauth_strategy = trust-me\n")
    with pytest.raises(ValueError, match="trust-me"):
        app.build_api(placement)
    placement.db.close()


def test_an_operators_policy_counts(tmp_path: Path) -> None:
    placement = make_placement(tmp_path, policy='"placement:resource_providers:list": "role:reader"\n')
    assert Api(placement, token="reader").get("/resource_providers").status == 200
    assert Api(placement, token="service").get("/resource_providers").status == 403
    placement.db.close()


def candidates(api: Api, query: str = CANDIDATES) -> list[str]:
    return [next(iter(one["allocations"])) for one in api.get(query).json()["allocation_requests"]]


def test_candidates_in_a_random_order(tmp_path: Path) -> None:
    placement = make_placement(tmp_path, options="randomize_allocation_candidates = true")
    api = Api(placement)
    everything = [api.provider(uuid(number), VCPU=1) for number in range(12)]
    orders = [candidates(api) for _ in range(5)]
    assert all(sorted(order) == everything for order in orders)
    assert any(order != everything for order in orders)
    samples = {candidates(api, f"{CANDIDATES}&limit=1")[0] for _ in range(60)}
    assert len(samples) > 1
    placement.db.close()


def test_as_many_candidates_as_configured(tmp_path: Path) -> None:
    placement = make_placement(tmp_path, options="max_allocation_candidates = 3")
    api = Api(placement)
    everything = [api.provider(uuid(number), VCPU=1) for number in range(5)]
    assert candidates(api) == everything[:3]
    assert candidates(api, f"{CANDIDATES}&limit=2") == everything[:2]
    placement.db.close()


def test_candidates_of_each_tree_in_turn(tmp_path: Path) -> None:
    options = "max_allocation_candidates = 4\nallocation_candidates_generation_strategy = breadth-first"
    placement = make_placement(tmp_path, options=options)
    api = Api(placement)
    for tree in range(2):
        root = api.provider(uuid(tree * 10))
        for child in range(1, 4):
            api.provider(uuid(tree * 10 + child), parent=root, VCPU=1)
    assert candidates(api) == [uuid(1), uuid(11), uuid(2), uuid(12)]
    placement.db.close()


def test_consumers_that_say_no_owner_get_the_configured_one(tmp_path: Path) -> None:
    options = "incomplete_consumer_project_id = nobodys\nincomplete_consumer_user_id = nobody"
    placement = make_placement(tmp_path, options=options)
    api = Api(placement)
    api.provider(uuid(1), VCPU=1)
    body = {"allocations": [{"resource_provider": {"uuid": uuid(1)}, "resources": {"VCPU": 1}}]}
    assert api.at("1.0", "PUT", f"/allocations/{uuid(2)}", json=body).status == 204
    shown = api.get(f"/allocations/{uuid(2)}").json()
    assert (shown["project_id"], shown["user_id"]) == ("nobodys", "nobody")
    placement.db.close()


def test_values_that_no_database_holds_are_refused(api: Api) -> None:
    """Numbers beyond any column, names with a NUL, limits beyond any list: a 4xx, or what makes sense, never a 5xx."""
    huge = 10**30
    api.provider(uuid(1), VCPU=4)
    assert api.get(f"{CANDIDATES}&limit={huge}").status == 200
    assert api.get(f"/allocation_candidates?resources=VCPU:{huge}").json()["allocation_requests"] == []
    assert api.allocate(uuid(2), allocations={uuid(1): {"VCPU": huge}}).status in (400, 409)
    body = {"resource_provider_generation": 1, "inventories": {"VCPU": {"total": huge}}}
    assert api.put(f"/resource_providers/{uuid(1)}/inventories", body).status == 400
    body["inventories"]["VCPU"] = {"total": 2147483647, "allocation_ratio": 3e38}
    answer = api.put(f"/resource_providers/{uuid(1)}/inventories", body)
    assert answer.status == 200, answer.body
    assert api.get(CANDIDATES).status == 200
    body = {"resource_provider_generation": 2, "inventories": {"VCPU": {"total": 1, "allocation_ratio": -1.0}}}
    assert api.put(f"/resource_providers/{uuid(1)}/inventories", body).status == 400
    assert api.post("/resource_providers", {"name": "a\0b"}).status in (200, 400)
    assert api.get("/resource_providers?name=%00").status in (200, 400)
    assert api.get("/resource_providers/%00").status in (400, 404)
    assert api.put("/allocations/%00", {}).status in (400, 404)
    assert api.post("/resource_classes", {"name": "CUSTOM_" + "A" * 300}).status == 400
    assert api.put("/traits/CUSTOM_" + "A" * 300).status == 400
    answer = api.allocate(uuid(2), allocations={uuid(1): {"VCPU": 1}}, project_id="p" * 256)
    assert answer.status == 400
