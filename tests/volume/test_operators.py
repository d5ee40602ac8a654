"""What operators see and set: types, default types, quotas, services, hosts, pools, zones, filters; the commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from cumulet.cli import cinder_manage, cinder_status
from tests.volume.support import ADMIN_PROJECT, PROJECT, Cloud


def test_types_extra_specs_and_access(cloud: Cloud) -> None:
    body = {"volume_type": {"name": "fast", "os-volume-type-access:is_public": False, "extra_specs": {"a": "b"}}}
    made = cloud.json("POST", "/types", "admin", json=body)["volume_type"]
    path = f"/types/{made['id']}"
    assert cloud.json("POST", "/types", "admin", status=409, json=body)
    assert cloud.json("GET", path, status=404)
    given = {"addProjectAccess": {"project": PROJECT}}
    assert cloud.json("POST", f"{path}/action", "admin", status=202, json=given) is None
    assert cloud.json("POST", f"{path}/action", "admin", status=409, json=given)
    shown = cloud.json("GET", path)["volume_type"]
    assert (shown["name"], shown["extra_specs"]) == ("fast", {})
    assert "qos_specs_id" not in shown
    cloud.json("POST", f"{path}/extra_specs", "admin", json={"extra_specs": {"multiattach": "<is> True"}})
    assert cloud.json("GET", f"{path}/extra_specs")["extra_specs"] == {"multiattach": "<is> True"}
    assert len(cloud.json("GET", f"{path}/extra_specs", "admin")["extra_specs"]) == 2
    assert cloud.call("DELETE", f"{path}/extra_specs/none", "admin").status == 404
    access = cloud.json("GET", f"{path}/os-volume-type-access", "admin")["volume_type_access"]
    assert access == [{"volume_type_id": made["id"], "project_id": PROJECT}]
    cloud.json("PUT", path, "admin", json={"volume_type": {"name": "faster", "is_public": True}})
    assert cloud.call("GET", f"{path}/os-volume-type-access", "admin").status == 404
    assert [each["name"] for each in cloud.json("GET", "/types")["volume_types"]] == ["faster", "__DEFAULT__"]
    assert cloud.json("POST", f"{path}/action", "admin", status=400, json=given)
    assert cloud.call("DELETE", path).status == 403
    assert cloud.call("DELETE", path, "admin").status == 202
    default = cloud.json("GET", "/types/default")["volume_type"]
    assert default["name"] == "__DEFAULT__"
    assert cloud.call("DELETE", f"/types/{default['id']}", "admin").status == 403


def test_default_types_of_projects(running: Cloud) -> None:
    made = running.json("POST", "/types", "admin", json={"volume_type": {"name": "own"}})["volume_type"]
    body = {"default_type": {"volume_type": "own"}}
    shown = running.json("PUT", f"/default-types/{PROJECT}", "admin", json=body)["default_type"]
    assert shown == {"project_id": PROJECT, "volume_type_id": made["id"]}
    volume = running.available()
    assert volume["volume_type"] == "own"
    assert running.call("DELETE", f"/types/{made['id']}", "admin").status == 400
    assert running.call("DELETE", f"/default-types/{PROJECT}", "admin").status == 204
    assert running.call("GET", f"/default-types/{PROJECT}", "admin").status == 404
    assert running.call("GET", f"/default-types/{PROJECT}", "admin", version="3.61").status == 404


def test_quotas_and_classes(cloud: Cloud) -> None:
    path = f"/os-quota-sets/{PROJECT}"
    assert cloud.json("GET", path)["quota_set"]["volumes"] == 10
    assert cloud.json("PUT", path, status=403, json={"quota_set": {"volumes": 3}})
    cloud.json("PUT", path, "admin", json={"quota_set": {"volumes": "3", "volumes___DEFAULT__": 2}})
    assert cloud.json("GET", path)["quota_set"]["volumes___DEFAULT__"] == 2
    cloud.json("PUT", "/os-quota-class-sets/default", "admin", json={"quota_class_set": {"snapshots": 7}})
    limits = cloud.json("GET", "/limits")["limits"]["absolute"]
    assert (limits["maxTotalVolumes"], limits["maxTotalSnapshots"], limits["totalVolumesUsed"]) == (3, 7, 0)
    other = cloud.json("GET", f"/limits?project_id={PROJECT}", "admin")["limits"]["absolute"]
    assert other["maxTotalVolumes"] == 3
    cloud.json("DELETE", path, "admin")
    assert cloud.json("GET", path)["quota_set"]["volumes"] == 10
    refused = cloud.json("PUT", path, "admin", status=400, json={"quota_set": {"loaves": 1}})
    assert "loaves" in refused["badRequest"]["message"]
    assert cloud.call("GET", f"/os-quota-sets/{ADMIN_PROJECT}").status == 403


def test_services_and_hosts(running: Cloud) -> None:
    running.until(lambda: len(running.json("GET", "/os-services", "admin")["services"]) >= 2)
    found = {each["binary"]: each for each in running.json("GET", "/os-services", "admin")["services"]}
    assert found["cinder-volume"]["host"] == "node1@simulated"
    assert found["cinder-volume"]["state"] == "up"
    named = {"host": "node1@simulated", "binary": "cinder-volume"}
    body = {**named, "disabled_reason": "broken"}
    running.json("PUT", "/os-services/disable-log-reason", "admin", json=body)
    assert running.settled(running.create()["id"])["status"] == "error"
    running.json("PUT", "/os-services/enable", "admin", json=named)
    running.available(size=3)
    assert running.call("PUT", "/os-services/disable", "admin", json={**named, "host": "x"}).status == 404
    assert running.call("PUT", "/os-services/freeze", "admin", json={"host": "x"}).status == 400
    for reason in (None, " ", 5):
        wrong = {**named, "disabled_reason": reason}
        assert running.call("PUT", "/os-services/disable-log-reason", "admin", json=wrong).status == 400
    running.json("PUT", "/os-services/disable-log-reason", "admin", json=named)
    hosts = [each["host_name"] for each in running.json("GET", "/os-hosts", "admin")["hosts"]]
    assert "node1@simulated" not in hosts
    assert running.json("GET", "/scheduler-stats/get_pools", "admin") == {"pools": []}
    running.json("PUT", "/os-services/enable", "admin", json=named)
    running.json("PUT", "/os-services/freeze", "admin", json=named)
    assert running.json("GET", "/os-services?binary=cinder-volume", "admin")["services"][0]["frozen"] is True
    running.json("PUT", "/os-services/thaw", "admin", json=named)
    total = running.json("GET", "/os-hosts/node1@simulated", "admin")["host"][0]["resource"]
    assert (total["project"], total["volume_count"], total["total_volume_gb"]) == ("(total)", "1", "3")
    assert running.call("GET", "/os-services").status == 403
    level = {"binary": "cinder-volume", "prefix": "cumulet", "level": "DEBUG"}
    running.json("PUT", "/os-services/set-log", "admin", status=202, json=level)
    levels = running.json("PUT", "/os-services/get-log", "admin", json={"binary": "cinder-volume"})["log_levels"]
    assert levels[0]["levels"] == {"cumulet": "DEBUG"}


def test_pools_zones_capabilities_filters(running: Cloud) -> None:
    pool = running.json("GET", "/scheduler-stats/get_pools?detail=true", "admin")["pools"][0]
    assert pool["name"] == "node1@simulated#simulated"
    assert pool["capabilities"]["total_capacity_gb"] == 1000
    pools = "/scheduler-stats/get_pools"
    assert running.call("GET", f"{pools}?storage_protocol=tape", "admin").status == 400
    for version, found in (("3.27", 1), ("3.30", 0), ("3.71", 0)):
        assert len(running.json("GET", f"{pools}?name=tape", "admin", version=version)["pools"]) == found
    for query in ("bogus=1", "is_up=maybe"):
        assert running.call("GET", f"/clusters?{query}", "admin").status == 400
    assert running.json("GET", "/resource_filters?resource=loaf") == {"resource_filters": []}
    assert running.call("POST", "/workers/cleanup", "admin", json={"is_up": "maybe"}).status == 400
    zones = running.json("GET", "/os-availability-zone")["availabilityZoneInfo"]
    assert zones == [{"zoneName": "nova", "zoneState": {"available": True}}]
    found = running.json("GET", "/capabilities/node1@simulated", "admin")
    assert found["volume_backend_name"] == "simulated"
    filters = {
        each["resource"]: each["filters"] for each in running.json("GET", "/resource_filters")["resource_filters"]
    }
    assert "status" in filters["volume"]
    assert len(running.json("GET", "/extensions")["extensions"]) == 32
    cleaned = running.json("POST", "/workers/cleanup", "admin", status=202, json={})
    assert [each["host"] for each in cleaned["cleaning"]] == ["node1@simulated"]


def test_versions(cloud: Cloud) -> None:
    answer = cloud.client.get("/")
    assert answer.status == 300
    version = answer.json()["versions"][0]
    assert (version["id"], version["version"], version["min_version"]) == ("v3.0", "3.71", "3.0")
    assert cloud.client.get("/v3/").status == 200
    assert cloud.call("GET", "/volumes", version="3.72").status == 406
    shown = cloud.call("GET", "/volumes", version="3.5")
    assert shown.headers["openstack-api-version"] == "volume 3.5"


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: str) -> tuple[object, str]:
        program = cinder_status if words[0] == "upgrade" else cinder_manage
        with pytest.raises(SystemExit) as ended:
            program.main(["--state-dir", str(tmp_path), *words])
        return ended.value.code, capsys.readouterr().out

    assert run("upgrade", "check")[0] == 2
    assert run("db", "sync") == (0, "")
    assert run("db", "version")[1].strip().isdigit()
    code, listed = run("service", "list")
    assert (code, listed.split()[:2]) == (0, ["Binary", "Host"])
    assert run("service", "remove", "cinder-volume", "x")[0] == 2
    assert run("upgrade", "check")[0] == 0
    assert run("quota", "check") == (0, "Action successfully completed\n")
    assert run("db", "purge", "1") == (0, "Purged 0 rows.\n")
    assert run("volume", "update_host", "--currenthost", "a", "--newhost", "b")[0] == 0
    assert run("--config-file", "/none", "db", "sync")[0] == 1
