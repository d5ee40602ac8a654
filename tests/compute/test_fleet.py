"""Many simulated hosts in one process: they are known, they carry servers, they live and they are found again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from cumulet.cli import simulate
from cumulet.simulator import reporting
from cumulet.simulator.faults import Faults
from cumulet.simulator.fleet import Changes, Fleet, names_of
from cumulet.simulator.reporting import Reporter, Wheel
from tests.compute.support import Cloud

HOSTS = 200
PATIENCE_S = 60.0


class Playing:
    """A fleet on a cloud's bus, as `cumulet simulate` has it."""

    def __init__(self, cloud: Cloud, fleet: Fleet) -> None:
        self.fleet = fleet
        self.reporter = Reporter(cloud.bus, fleet, kinds=["compute"])
        self._stop = threading.Event()
        names = list(fleet.hypervisors)
        self._threads = [
            threading.Thread(target=cloud.bus.serve, args=(names, fleet.methods(cloud.bus), self._stop), daemon=True),
            threading.Thread(target=self.reporter.run, args=(self._stop,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        cloud.until(lambda: self.reporter.entered == len(fleet), PATIENCE_S)

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a fleet does every few seconds it does at once."""
    monkeypatch.setattr(reporting, "_TICK_S", 0.05)
    monkeypatch.setattr(reporting, "_SETTLE_S", 0.5)
    monkeypatch.setattr(reporting, "BEAT_S", 1.0)


@pytest.fixture
def playing(cloud: Cloud, quick: None, tmp_path: Path) -> Iterator[Playing]:
    (tmp_path / "fleet").mkdir()
    made = Playing(cloud, Fleet(names_of(HOSTS, "sim-"), folder=tmp_path / "fleet"))
    cloud.start_engine()
    yield made
    made.end()


def test_its_hosts_are_services_hypervisors_and_providers(cloud: Cloud, playing: Playing) -> None:
    services = cloud.json("GET", "/v2.1/os-services?binary=nova-compute", "admin")["services"]
    assert len(services) == HOSTS and {one["state"] for one in services} == {"up"}
    assert cloud.json("GET", "/v2.1/os-hypervisors/statistics", "admin", version="2.87")["hypervisor_statistics"][
        "count"
    ] == HOSTS  # fmt: skip
    found = cloud.service.session.request("GET", "placement", "/resource_providers").json()["resource_providers"]
    assert {one["name"] for one in found} == set(playing.fleet.hypervisors)


def test_servers_are_spread_over_them_and_leave_nothing(cloud: Cloud, playing: Playing) -> None:
    for project in ("member", "other"):
        cloud.boot(project, min_count=10, max_count=10)
    cloud.until(lambda: len(_of(cloud, "ACTIVE")) == 20, PATIENCE_S)
    hosts = {server["OS-EXT-SRV-ATTR:host"] for server in _of(cloud, "ACTIVE")}
    assert len(hosts) > 10
    carried = {guest for driver in playing.fleet.hypervisors.values() for guest in driver.guests()}
    assert carried == {server["id"] for server in _of(cloud, "ACTIVE")}
    cloud.until(lambda: _statistics(cloud)["running_vms"] == 20, PATIENCE_S)
    for server_id in carried:
        cloud.json("DELETE", f"/v2.1/servers/{server_id}", "admin", status=204)
    cloud.until(lambda: not any(driver.guests() for driver in playing.fleet.hypervisors.values()), PATIENCE_S)
    cloud.until(lambda: _statistics(cloud)["running_vms"] == 0, PATIENCE_S)


def _of(cloud: Cloud, status: str) -> list[dict[str, str]]:
    path = f"/v2.1/servers/detail?all_tenants=1&status={status}"
    found: list[dict[str, str]] = cloud.json("GET", path, "admin")["servers"]
    return found


def _statistics(cloud: Cloud) -> dict[str, int]:
    path = "/v2.1/os-hypervisors/statistics"
    found: dict[str, int] = cloud.json("GET", path, "admin", version="2.87")["hypervisor_statistics"]
    return found


def test_a_service_that_was_deleted_comes_back(cloud: Cloud, playing: Playing) -> None:
    services = cloud.json("GET", "/v2.1/os-services?host=sim-00007", "admin")["services"]
    cloud.json("DELETE", f"/v2.1/os-services/{services[0]['id']}", "admin", status=204)
    path = "/v2.1/os-services?host=sim-00007&binary=nova-compute"
    cloud.until(lambda: cloud.json("GET", path, "admin")["services"], PATIENCE_S)


def test_a_fleet_that_died_has_its_servers_when_it_is_back(cloud: Cloud, quick: None, tmp_path: Path) -> None:
    names = names_of(5, "sim-")
    first = Playing(cloud, Fleet(names, folder=tmp_path))
    cloud.start_engine()
    server = cloud.active()
    host = server["OS-EXT-SRV-ATTR:host"]
    first.end()
    error = cloud.act(server["id"], "os-getConsoleOutput", {}, status=409)
    assert "conflictingRequest" in error
    second = Playing(cloud, Fleet(names, folder=tmp_path))
    try:
        assert second.fleet.hypervisors[host].guests() == {server["id"]: 1}
        assert second.fleet.take_changes().ports == {} or second.fleet.ports_of([host])
        cloud.act(server["id"], "os-stop")
        assert cloud.settled(server["id"])["status"] == "SHUTOFF"
    finally:
        second.end()


def test_a_leftover_is_destroyed(cloud: Cloud, playing: Playing) -> None:
    cloud.boot()
    cloud.until(lambda: len(_of(cloud, "ACTIVE")) == 1, PATIENCE_S)
    (server,) = _of(cloud, "ACTIVE")
    here = server["OS-EXT-SRV-ATTR:host"]
    there = next(name for name in playing.fleet.hypervisors if name != here)
    kept = playing.fleet.hypervisors[here]._kept.guests[server["id"]]
    playing.fleet.hypervisors[there]._kept.guests[server["id"]] = kept
    playing.fleet.changed(there)
    cloud.until(lambda: not playing.fleet.hypervisors[there].guests(), PATIENCE_S)
    assert list(playing.fleet.hypervisors[here].guests()) == [server["id"]]


def test_a_refusal_tells_of_all_hosts_however_few_are_looked_at(cloud: Cloud, playing: Playing) -> None:
    cloud.service.conf.set_override("max_placement_results", 7, group="scheduler")
    large = cloud.settled(cloud.boot("admin", flavorRef=cloud.flavor(ram=100, disk=9000))["id"])
    assert large["fault"]["message"].startswith(f"No valid host was found. {HOSTS} of {HOSTS} hosts lack 9,000 GB of")
    apart = cloud.flavor()
    specs = {"extra_specs": {"capabilities:colour": "green"}}  # a fact of no hypervisor, which 2.86 would refuse
    cloud.json("POST", f"/v2.1/flavors/{apart}/os-extra_specs", "admin", json=specs, version="2.85")
    refused = cloud.settled(cloud.boot("admin", flavorRef=apart)["id"])
    assert refused["fault"]["message"].startswith(
        f"No valid host was found. Of {HOSTS} hosts 7 have room and were looked at, as many as [scheduler] "
        "max_placement_results allows. ComputeCapabilitiesFilter removed 7: "
    )


def test_faults_and_delays_are_by_method() -> None:
    faults = Faults(
        delays={"spawn": 1.0, "*": 0.25}, spreads={"spawn": 0.5}, errors={"stop": "no", "*": "never"}, shares={"*": 0.0}
    )
    assert all(1.0 <= faults.delay_s("spawn") <= 1.5 for _ in range(50))
    assert faults.delay_s("destroy") == 0.25
    faults.check("destroy")
    with pytest.raises(RuntimeError, match="no"):
        faults.check("stop")


def test_knobs_are_read_as_they_are_written() -> None:
    found = simulate._faults(["spawn=0.5-2", "*=0.1"], ["destroy:5=no: luck", "stop=never"])
    assert (found.delays, found.spreads) == ({"spawn": 0.5, "*": 0.1}, {"spawn": 1.5})
    assert (found.errors, found.shares) == ({"destroy": "no: luck", "stop": "never"}, {"destroy": 0.05})


@pytest.mark.parametrize(
    ("delays", "errors", "said"),
    [
        (["spawn"], [], "METHOD=SECONDS"),
        (["spawn=2-1"], [], "METHOD=FROM-TO"),
        (["spawn=1.2.3"], [], "is no number"),
        ([], ["spawn:200=no"], "METHOD:PERCENT=REASON"),
        ([], ["sprawn=no"], "Methods: *"),
    ],
)
def test_knobs_that_are_none_are_told(
    capsys: pytest.CaptureFixture[str], delays: list[str], errors: list[str], said: str
) -> None:
    with pytest.raises(typer.Exit):
        simulate._faults(delays, errors)
    assert said in capsys.readouterr().err


def test_a_wheel_gives_each_host_its_turn_once_a_round() -> None:
    names = names_of(25, "h")
    wheel = Wheel(names, 10.0, 0.0)
    assert wheel.due(0.5) == []
    turns = [wheel.due(float(second)) for second in range(1, 11)]
    assert sorted(host for turn in turns for host in turn) == names
    assert max(map(len, turns)) == 3
    assert sorted(wheel.due(1000.0)) == names  # a long pause is one round, not many


def test_changes_that_could_not_be_told_are_told_later() -> None:
    fleet = Fleet(["a", "b"])
    fleet.give_back(Changes(hosts={"a"}, ports={"a": {"p": "ACTIVE", "q": "ACTIVE"}}))
    fleet.give_back(Changes(ports={"a": {"q": "DOWN", "r": "ACTIVE"}}))
    changes = fleet.take_changes()
    assert changes.hosts == {"a"} and changes.ports["a"]["p"] == "ACTIVE"
    assert fleet.take_changes() == Changes()


def test_thousands_of_hosts_are_light() -> None:
    """No thread and little memory each: ten thousand are made within seconds."""
    before, started = threading.active_count(), time.monotonic()
    fleet = Fleet(names_of(10_000, "sim-"))
    assert len(fleet) == 10_000
    assert threading.active_count() <= before  # those of earlier tests may still be ending
    assert time.monotonic() - started < 30
