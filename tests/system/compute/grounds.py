"""What a simulated cloud stands on: files and a socket, or MariaDB and RabbitMQ, and who ends what of it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from tests.brokers import RabbitMq
from tests.databases import MakeUrl
from tests.system.cloud import Cloud, environment, eventually

log = logging.getLogger(__name__)

SERVICES = "identity,placement,image,network,volume,compute"
_PROJECTS = {"keystone": False, "placement": False, "glance": False, "neutron": True, "cinder": True, "nova": True}
"""Of each service whether it talks to hosts."""
_ROLES = ("api", "engine", "agent")
_PROCESSES = 4  # two for the API, the engine, the agent
_PAUSE_S = (0.5, 2.0)  # between two kills
_AWAY_S = (0.0, 2.0)  # from a kill of what no supervisor starts again until somebody does
_BACK_S = 120.0


class Server(Protocol):
    """What can be killed and started again."""

    def kill(self) -> None: ...
    def start(self) -> None: ...


class Fleet:
    """Two more simulated hosts, in a process of their own."""

    HOSTS = 2

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = self._cloud.command("simulate", "--hosts", str(self.HOSTS), "--prefix", "far-")
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
        )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def configured(folder: Path, make_url: MakeUrl, broker: RabbitMq) -> tuple[str, ...]:
    """Options of `cumulet up` for a cloud that keeps everything in databases of `make_url` and talks over `broker`."""
    options: list[str] = []
    for project, talks in _PROJECTS.items():
        file = folder / f"{project}.conf"
        transport = f"[DEFAULT]\ntransport_url = {broker.transport_url}\n" if talks else ""
        file.write_text(f"{transport}[database]\nconnection = {make_url(project)}\n")
        options += ["--config-file", f"{project}={file}"]
    return tuple(options)


@contextlib.contextmanager
def more_hosts(cloud: Cloud) -> Iterator[Fleet]:
    fleet = Fleet(cloud)
    fleet.start()
    try:
        yield fleet
    finally:
        fleet.kill()


class Killer:
    """Kills a process of the cloud, or two, whenever the supervisor has started those before again: where nothing lives
    long enough to do anything, nothing is seen. Now and then one of the `others`, too."""

    def __init__(self, cloud: Cloud, chance: random.Random, others: Mapping[str, Server]) -> None:
        self._state = Path(cloud.directory) / "run" / "state.json"
        self._chance = chance
        self._others = others
        self.killed: Counter[str] = Counter()

    def run(self, goes_on: Callable[[], bool]) -> None:
        """In the main thread: what another one starts dies with that thread. Afterwards everything is there again."""
        order: list[str] = []
        while goes_on():
            order = order or self._order()
            time.sleep(self._chance.uniform(*_PAUSE_S))
            self._kill(order.pop())
        eventually(lambda: len(self._ready()) >= _PROCESSES, _BACK_S)

    def _order(self) -> list[str]:
        """At first one of each; later, since the others take long to come back, more of the cloud's own processes."""
        order = [*_ROLES, *self._others] if not self.killed else [*(_ROLES * 4), *self._others]
        self._chance.shuffle(order)
        return order

    def _kill(self, kind: str) -> None:
        if kind in _ROLES:
            eventually(lambda: len(self._ready()) >= _PROCESSES, _BACK_S)
            self._kill_process(kind)
            if self._chance.random() < 0.3:
                self._kill_process()
            return
        log.info("killing %s", kind)
        self._others[kind].kill()
        self.killed[kind] += 1
        try:
            time.sleep(self._chance.uniform(*_AWAY_S))
            if self._chance.random() < 0.5:
                self._kill_process()  # whatever takes its place begins without
        finally:
            self._others[kind].start()
        log.info("%s is back", kind)

    def _kill_process(self, role: str = "") -> None:
        alive = {name: pid for name, pid in self._ready().items() if name.startswith(role)}
        if not alive:
            return
        victim = self._chance.choice(sorted(alive))
        with contextlib.suppress(ProcessLookupError):
            os.kill(alive[victim], signal.SIGKILL)
            log.info("killed %s", victim)
            self.killed[victim.partition("-")[0]] += 1

    def _ready(self) -> dict[str, int]:
        return {one["role"]: one["pid"] for one in json.loads(self._state.read_text())["processes"] if one["ready"]}

    def has_killed_each(self) -> bool:
        return all(self.killed[kind] for kind in (*_ROLES, *self._others))
