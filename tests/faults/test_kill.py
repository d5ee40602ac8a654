"""`kill -9` of any process while 1,000 writes run: every answered write is there afterwards, none is half there."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3

from cumulet.processes.state import Process
from tests.system.cloud import Cloud, a_cloud, eventually, request

WRITES = 1000
CLIENTS = 8
KILLS = 5
KILL_EVERY_S = 0.25
TAGS = ["one", "three", "two"]  # a project's tags are rows of their own: a write of four rows


@pytest.fixture
def cloud(tmp_path: Path, database_url: str) -> Iterator[Cloud]:
    """A cloud on the database under test."""
    file = tmp_path / "keystone.conf"
    file.write_text(f"[database]\nconnection = {database_url}\n")
    with a_cloud(tmp_path / "cloud", "--workers", "2", "--services", "identity") as made:
        made.up("--config-file", f"keystone={file}")
        yield made


class Writers:
    """Clients that make projects; a client that gets no answer goes on with the next one on a new connection."""

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url}/v3/projects"
        self._headers = {"X-Auth-Token": token, "Content-Type": "application/json"}
        self.answered: set[str] = set()
        self.unanswered: set[str] = set()
        self.refused: list[tuple[str, int, bytes]] = []

    def run(self, enough: Callable[[], bool]) -> None:
        """Until WRITES were answered and there were `enough` deaths."""
        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(lambda client: self._write(client, enough), range(CLIENTS)))

    def _write(self, client: int, enough: Callable[[], bool]) -> None:
        with urllib3.PoolManager() as pool:
            answered = 0
            for number in itertools.count():
                if answered >= WRITES / CLIENTS and enough():
                    return
                name = f"project-{client}-{number:05d}"
                body = json.dumps({"project": {"name": name, "tags": TAGS}})
                try:
                    answer = pool.request(
                        "POST", self._url, headers=self._headers, body=body, retries=False, timeout=20
                    )
                except urllib3.exceptions.HTTPError:
                    self.unanswered.add(name)
                    time.sleep(0.02)
                    continue
                if answer.status == 201:
                    self.answered.add(name)
                    answered += 1
                else:
                    self.refused.append((name, answer.status, answer.data))


class Killer:
    """Kills a process of the given roles again and again; the next one when the cloud is whole again, if `patient`."""

    def __init__(self, cloud: Cloud, roles: tuple[str, ...], *, patient: bool) -> None:
        self._file = cloud.directory / "run" / "state.json"
        self._roles = roles
        self._patient = patient
        self._stop = threading.Event()
        self.kills = 0

    def run(self) -> None:
        while not self._stop.wait(KILL_EVERY_S):
            state = json.loads(self._file.read_text())
            if self._patient and not whole(state):
                continue
            found = [p["pid"] for p in [*state["processes"], state["supervisor"]] if p["role"].startswith(self._roles)]
            with contextlib.suppress(ProcessLookupError, IndexError):
                os.kill(random.choice(found), signal.SIGKILL)
                self.kills += 1

    def stop(self) -> None:
        self._stop.set()


def whole(state: dict[str, Any]) -> bool:
    """Every role is there and ready, nothing of an earlier supervisor is left."""
    processes = [*state["processes"], state["supervisor"]]
    roles = sorted(process["role"] for process in processes if process["ready"] and Process(**process).is_alive)
    return state["state"] == "running" and roles == ["api-1", "api-2", "engine", "supervisor"]


@pytest.mark.parametrize("roles", [("api",), ("engine",), ("supervisor",), ("api", "engine", "supervisor")], ids=str)
def test_every_answered_write_is_there_and_none_is_half_there(cloud: Cloud, roles: tuple[str, ...]) -> None:
    token = cloud.login()
    # Killing whatever there is faster than it can start would leave nobody to start anything.
    writers, killer = Writers(cloud.url(), token), Killer(cloud, roles, patient=len(roles) > 1)
    thread = threading.Thread(target=killer.run)
    thread.start()
    try:
        writers.run(lambda: killer.kills >= KILLS)
    finally:
        killer.stop()
        thread.join()
    assert writers.refused == []
    assert len(writers.answered) >= WRITES

    eventually(lambda: whole(json.loads((cloud.directory / "run" / "state.json").read_text())), within_s=30)
    listed = json.loads(request("GET", f"{cloud.url()}/v3/projects", token=cloud.login()).data)["projects"]
    there = {project["name"]: project for project in listed if project["name"].startswith("project-")}
    assert writers.answered <= there.keys()
    assert there.keys() <= writers.answered | writers.unanswered
    assert [name for name, project in there.items() if sorted(project["tags"]) != TAGS] == []
