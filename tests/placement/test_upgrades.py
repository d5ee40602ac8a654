"""`placement-manage` and `placement-status`, on databases that are new, fine, or somebody edited."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from cumulet.cli import placement_manage, placement_status
from cumulet.placement import tables
from cumulet.placement.service import Placement
from tests.placement.support import Api, make_placement, uuid

FINE = """\
+-------------------------------------------+
| Upgrade Check Results                     |
+-------------------------------------------+
| Check: Missing Root Provider IDs          |
| Result: Success                           |
| Details: None                             |
+-------------------------------------------+
| Check: Incomplete Consumers               |
| Result: Success                           |
| Details: None                             |
+-------------------------------------------+
| Check: Policy File JSON to YAML Migration |
| Result: Success                           |
| Details: None                             |
+-------------------------------------------+
"""


def manage(state: Path, *words: str) -> int:
    with pytest.raises(SystemExit) as end:
        placement_manage.main(["--state-dir", str(state), "db", *words])
    assert isinstance(end.value.code, int)
    return end.value.code


def status(state: Path) -> int:
    with pytest.raises(SystemExit) as end:
        placement_status.main(["--state-dir", str(state), "upgrade", "check"])
    assert isinstance(end.value.code, int)
    return end.value.code


def test_a_new_database_is_made_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert manage(tmp_path, "version") == 0
    assert capsys.readouterr().out == "none\n"
    assert manage(tmp_path, "sync") == 0
    assert manage(tmp_path, "sync") == 0
    assert manage(tmp_path, "version") == 0
    assert capsys.readouterr().out == "0001\n"
    assert status(tmp_path) == 0
    assert capsys.readouterr().out == FINE


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        placement_manage.main(["--state-dir", str(tmp_path), "--config-file", "/nowhere/placement.conf", "db", "sync"])
    assert end.value.code == 1
    assert "/nowhere/placement.conf: there is no such file" in capsys.readouterr().err


@pytest.fixture
def edited(tmp_path: Path) -> Placement:
    """A database in which somebody deleted a root, a consumer and an inventory's count with an SQL client."""
    placement = make_placement(tmp_path)
    api = Api(placement)
    api.provider(uuid(1), VCPU=8)
    api.provider(uuid(2), VCPU=8)
    for number in (10, 11):
        assert api.allocate(uuid(number), allocations={uuid(1): {"VCPU": 2}}).status == 204
    with placement.db.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.execute(sa.update(tables.providers).where(tables.providers.c.uuid == uuid(2)).values(root_uuid="?"))
        connection.execute(sa.delete(tables.consumers).where(tables.consumers.c.uuid == uuid(10)))
        connection.execute(sa.update(tables.inventories).values(used=7))
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
    placement.db.close()
    return placement


def test_what_is_wrong_is_told_and_put_right(
    edited: Placement, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(tmp_path) == 2
    told = capsys.readouterr().out
    assert "Result: Failure" in told
    assert "There are 1 incomplete consumers" in " ".join(told.split())

    assert manage(tmp_path, "online_data_migrations", "--max-count", "1") == 1
    assert manage(tmp_path, "online_data_migrations") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if "|" in line]
    totals = {words[1]: words[3] for words in lines if words[1] != "Migration"}
    assert totals.keys() == {"set_root_provider_ids", "create_incomplete_consumers", "recount_usages"}

    assert status(tmp_path) == 0
    placement = make_placement(tmp_path)
    api = Api(placement)
    assert api.get(f"/resource_providers/{uuid(2)}").json()["root_provider_uuid"] == uuid(2)
    assert api.get(f"/resource_providers/{uuid(1)}/usages").json()["usages"] == {"VCPU": 4}
    assert api.get(f"/resource_providers/{uuid(2)}/usages").json()["usages"] == {"VCPU": 0}
    nobody = "00000000-0000-0000-0000-000000000000"
    assert api.get(f"/allocations/{uuid(10)}").json()["project_id"] == nobody
    placement.db.close()


def test_a_count_must_be_positive(tmp_path: Path) -> None:
    assert manage(tmp_path, "online_data_migrations", "--max-count", "0") == 127
