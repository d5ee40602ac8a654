"""`scripts/guides`: the commands and units that the install guides count on."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from cumulet import services
from tests.system.cloud import Cloud, request

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guides.md").read_text()


def prepare(directory: Path, *words: str) -> dict[str, str]:
    """The units below the directory, by name."""
    command = [str(ROOT / "scripts" / "guides"), *words]
    environment = {**os.environ, "DESTDIR": str(directory)}
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, env=environment)
    return {file.stem: file.read_text() for file in (directory / "etc/systemd/system").glob("*.service")}


def test_units_and_commands_of_the_page_are_there(tmp_path: Path) -> None:
    units = prepare(tmp_path)
    assert set(re.findall(r"([\w-]+)\.service", PAGE)) <= set(units)
    programs = {file.name for file in (tmp_path / "usr/local/bin").iterdir()}
    assert set(re.findall(r"\b(?:\w+-(?:db-)?manage|\w+-status)\b", PAGE)) - {"openstack-status"} <= programs
    known = {service.name for service in services.SERVICES}
    for name, text in units.items():
        added = re.search(r"--by-hand (\w+)", text)
        assert added is not None and added[1] in known, name
    assert prepare(tmp_path) == units, "again: no change"


def test_nothing_is_left_of_them(tmp_path: Path) -> None:
    prepare(tmp_path)
    theirs = tmp_path / "etc/systemd/system/mine.service"
    theirs.write_text("[Service]\n")
    assert set(prepare(tmp_path, "--remove")) == {"mine"}
    assert list((tmp_path / "usr/local/bin").iterdir()) == []


def test_a_cloud_that_was_started_without_units_goes_on_making_users(own_cloud: Cloud) -> None:
    own_cloud.up()
    own_cloud.up("--by-hand", "identity,image")
    kept = json.loads((own_cloud.directory / "settings.json").read_text())
    assert kept["services"] == ["identity", "image"] and kept["by_hand"] is False
    answer = request("GET", f"{own_cloud.url()}/v3/users?name=glance", token=own_cloud.login())
    assert len(json.loads(answer.data)["users"]) == 1
    assert "already running" in own_cloud.up("--by-hand", "image")
