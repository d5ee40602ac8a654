"""A whole cloud on each kind of database: start, write, back up, restore, and what a broken connection looks like."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.cloud import Cloud, a_cloud, request


@pytest.fixture
def cloud(tmp_path: Path, database_url: str) -> Iterator[Cloud]:
    file = tmp_path / "keystone.conf"
    file.write_text(f"[database]\nconnection = {database_url}\n")
    with a_cloud(tmp_path / "cloud", "--services", "identity") as made:
        made.up("--config-file", f"keystone={file}")
        yield made


def _regions(cloud: Cloud) -> set[str]:
    answer = request("GET", f"{cloud.url()}/v3/regions", token=cloud.login())
    assert answer.status == 200
    return {region["id"] for region in json.loads(answer.data)["regions"]}


def _create(cloud: Cloud, name: str) -> None:
    body = {"region": {"id": name, "description": "带中文的说明 'quoted' \\"}}
    assert request("POST", f"{cloud.url()}/v3/regions", token=cloud.login(), json=body).status == 201


def test_a_cloud_resumes(cloud: Cloud) -> None:
    _create(cloud, "kept")
    cloud.down()
    cloud.run("up", "--detach")
    assert "kept" in _regions(cloud)


def test_backup_and_restore(cloud: Cloud, tmp_path: Path) -> None:
    _create(cloud, "before")
    described = request("GET", f"{cloud.url()}/v3/regions/before", token=cloud.login()).data
    file = tmp_path / "cloud.tgz"
    cloud.run("backup", str(file))
    with tarfile.open(file) as archive:
        names = archive.getnames()
    assert any(name.startswith("databases/identity.") for name in names)
    assert {"manifest.json", "state/keys/passwords.json", "state/settings.json"} <= set(names)
    _create(cloud, "after")
    cloud.down()
    cloud.run("restore", str(file), "--replace")
    cloud.run("up", "--detach")
    regions = _regions(cloud)
    assert "before" in regions and "after" not in regions
    again = request("GET", f"{cloud.url()}/v3/regions/before", token=cloud.login()).data
    assert again == described


def test_a_server_that_does_not_answer_is_told_without_its_password(own_cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "keystone.conf"
    file.write_text("[database]\nconnection = mysql+pymysql://keystone:s3cret@127.0.0.1:1/keystone\n")
    done = own_cloud.run("up", "--detach", "--config-file", f"keystone={file}", check=False)
    assert done.returncode == 1
    assert "127.0.0.1" in done.stderr
    logs = b"".join(log.read_bytes() for log in (own_cloud.directory / "log").iterdir())
    assert "s3cret" not in done.stderr and b"s3cret" not in logs
