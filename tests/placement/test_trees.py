"""Trees that are changed from several sides at once stay trees."""

from __future__ import annotations

import random
import threading

from cumulet.placement.service import Placement
from tests.placement.support import Api, uuid

ROOTS, THREADS, ROUNDS = 3, 8, 15


def test_moves_and_births_at_once(placement: Placement) -> None:
    """Whatever is moved and whatever is born below it meanwhile, every provider's root is where its parents lead."""
    api = Api(placement)
    for number in range(ROOTS):
        api.provider(uuid(number))
    movable = [api.provider(uuid(100 + number), parent=uuid(number % ROOTS)) for number in range(4)]
    statuses: list[int] = []

    def work(thread: int) -> None:
        chance = random.Random(thread)
        for count in range(ROUNDS):
            if thread % 2:
                body = {"name": f"born-{thread}-{count}", "parent_provider_uuid": chance.choice(movable)}
                statuses.append(api.post("/resource_providers", body).status)
            else:
                one = chance.choice(movable)
                parent = chance.choice([None, *map(uuid, range(ROOTS)), *movable])
                body = {"name": f"name-{one}", "parent_provider_uuid": parent}
                statuses.append(api.put(f"/resource_providers/{one}", body).status)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(statuses) <= {200, 400}
    providers = {one["uuid"]: one for one in api.get("/resource_providers").json()["resource_providers"]}
    assert len(providers) == ROOTS + len(movable) + THREADS // 2 * ROUNDS
    for one in providers.values():
        top, steps = one, 0
        while top["parent_provider_uuid"] is not None:
            top, steps = providers[top["parent_provider_uuid"]], steps + 1
            assert steps <= len(providers), "the parents go round in a circle"
        assert one["root_provider_uuid"] == top["uuid"]


def test_a_list_says_the_same_as_each_provider(api: Api) -> None:
    api.provider(uuid(1), VCPU=4)
    api.provider(uuid(2), parent=uuid(1))
    api.post("/resource_providers", {"name": 'a "quoted" \\ näme', "uuid": uuid(3)})
    for version in ("1.0", "1.1", "1.6", "1.11", "1.14", "1.39"):
        listed = api.at(version, "GET", "/resource_providers").json()["resource_providers"]
        assert listed == [api.at(version, "GET", f"/resource_providers/{one['uuid']}").json() for one in listed]
        assert len(listed) == 3


def test_links_start_where_the_service_is_mounted(placement: Placement) -> None:
    from cumulet.kernel.http import mount
    from cumulet.placement import app
    from tests.support import Client

    client = Client(mount({"/placement": app.build_api(placement)}), **{"X-Auth-Token": "admin"})
    headers = {"OpenStack-API-Version": "placement 1.39"}
    answer = client.post("/placement/resource_providers", {"name": "node", "uuid": uuid(1)}, headers=headers)
    assert answer.headers["location"] == f"http://cloud.test:1/placement/resource_providers/{uuid(1)}"
    assert answer.json()["links"][0]["href"] == f"/placement/resource_providers/{uuid(1)}"
