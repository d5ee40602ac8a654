"""Placement: providers, candidates, allocations."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.clouds.target import NAME, Case, Target
from benchmarks.load import Request

_VERSION = {"OpenStack-API-Version": "placement 1.30"}


@contextmanager
def placement(cloud: Target, rows: int) -> Iterator[list[Case]]:
    url = cloud.url("placement")
    providers = f"{url}/resource_providers"
    trait = f"CUSTOM_{NAME.upper()}_{uuid.uuid4().hex[:8].upper()}"
    made: list[str] = []

    def provider(number: int) -> None:
        found = cloud.call("POST", providers, {"name": f"{trait}-{number}"}, **_VERSION)
        made.append(found["uuid"])
        inventories = {name: {"total": 1 << 16} for name in ("VCPU", "MEMORY_MB", "DISK_GB")}
        content = {"resource_provider_generation": found["generation"], "inventories": inventories}
        answer = cloud.call("PUT", f"{providers}/{found['uuid']}/inventories", content, **_VERSION)
        traits = {"resource_provider_generation": answer["resource_provider_generation"], "traits": [trait]}
        cloud.call("PUT", f"{providers}/{found['uuid']}/traits", traits, **_VERSION)

    sent = tuple(_VERSION.items())
    wanted = f"{url}/allocation_candidates?resources=VCPU:1,MEMORY_MB:512,DISK_GB:5&required={trait}"
    try:
        cloud.call("PUT", f"{url}/traits/{trait}", **_VERSION)
        cloud.each(provider, range(rows))
        resources = {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 5}
        held = {
            "allocations": {made[0]: {"resources": resources}},
            "consumer_generation": None,
            "project_id": cloud.project,
            "user_id": cloud.user_id,
        }
        consumers: list[str] = [str(uuid.uuid4()) for _ in range(rows)]

        def take() -> int:
            at = [(one, {**held, "allocations": {made[n % rows]: {"resources": resources}}})
                  for n, one in enumerate(consumers)]  # fmt: skip
            cloud.each(lambda pair: cloud.call("PUT", f"{url}/allocations/{pair[0]}", pair[1], **_VERSION), at)
            return len(at)

        yield [
            Case("show a provider", Request("GET", f"{providers}/{made[0]}", headers=sent)),
            Case(f"all {rows} allocation candidates", Request("GET", f"{wanted}&limit={rows}", headers=sent)),
            Case("one allocation candidate", Request("GET", f"{wanted}&limit=1", headers=sent)),
            Case("create a provider", Request("POST", providers, json.dumps({"name": f"{trait}-{{n}}"}), sent)),
            Case("put allocations", once=take),
            Case("delete allocations", once=lambda: cloud.delete(f"{url}/allocations", consumers)),
        ]
    finally:
        cloud.begin_cleaning()
        named = [one for one in cloud.call("GET", providers)["resource_providers"] if one["name"].startswith(trait)]
        for one in made[:rows]:
            held_by = cloud.call("GET", f"{providers}/{one}/allocations")["allocations"]
            cloud.delete(f"{url}/allocations", held_by)
        cloud.delete(providers, [one["uuid"] for one in named])
        cloud.call("DELETE", f"{url}/traits/{trait}", **_VERSION)
