"""Many at once: quotas and pools are never overdrawn, on any database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.volume.support import PROJECT, Cloud


def test_concurrent_creations_never_exceed_the_quota(running: Cloud) -> None:
    running.json("PUT", f"/os-quota-sets/{PROJECT}", "admin", json={"quota_set": {"volumes": 5, "gigabytes": 8}})
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda number: running.call("POST", "/volumes", json={"volume": {"size": 1 + number % 2}}), range(24)
            )
        )
    made = [answer.json()["volume"] for answer in answers if answer.status == 202]
    assert {answer.status for answer in answers} == {202, 413}
    assert len(made) <= 5
    assert sum(volume["size"] for volume in made) <= 8
    used = running.json("GET", f"/os-quota-sets/{PROJECT}?usage=true")["quota_set"]
    assert used["volumes"]["in_use"] == len(made)
    for volume in made:
        assert running.settled(volume["id"])["status"] == "available"


def test_concurrent_creations_never_overfill_a_pool(cloud: Cloud) -> None:
    cloud.add_host("node1", total_gb=1)  # 20 GiB may be given away
    cloud.start_engine()
    cloud.json("PUT", f"/os-quota-sets/{PROJECT}", "admin", json={"quota_set": {"volumes": -1, "gigabytes": -1}})
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: cloud.create(size=6)["id"], range(6)))
    states = [cloud.settled(volume)["status"] for volume in made]
    assert states.count("available") == 3
    assert states.count("error") == 3


def test_one_of_many_reserves_a_volume(running: Cloud) -> None:
    volume = running.available()["id"]
    with ThreadPoolExecutor(8) as pool:
        servers = [f"55555555-5555-4555-8555-{number:012d}" for number in range(8)]
        answers = list(
            pool.map(
                lambda server: running.call(
                    "POST", "/attachments", json={"attachment": {"volume_uuid": volume, "instance_uuid": server}}
                ),
                servers,
            )
        )
    assert sorted(answer.status for answer in answers) == [200] + [400] * 7
