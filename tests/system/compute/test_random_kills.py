"""Users ask for random things of a simulated cloud while its processes are killed; in the end all services agree.

Once on files and sockets of one machine; once on MariaDB and RabbitMQ, which are killed too, with hosts in two
processes. `CUMULET_TEST_KILL_OPERATIONS=500` walks longer, `CUMULET_TEST_SEEDS=7` another way; after every
sixty wishes that were taken the dying stops until all services agree.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.brokers import RabbitMq
from tests.databases import MariaDb, Servers
from tests.system.cloud import Cloud, a_cloud
from tests.system.compute.agreement import agree, differences, unsettled
from tests.system.compute.asking import COMPUTE, Api, Things, User
from tests.system.compute.grounds import SERVICES, Killer, Server, configured, more_hosts

log = logging.getLogger(__name__)
_OPERATIONS = int(os.environ.get("CUMULET_TEST_KILL_OPERATIONS", "12"))
_SEEDS = [int(one) for one in os.environ.get("CUMULET_TEST_SEEDS", "1").split(",")]
_USERS = 3
_ROUND = 60  # wishes that are taken until all has to agree
_QUIET_S = 180.0
"""A minute is what a server may take; a machine that does other things too is given more."""


@dataclass
class Ground:
    """A cloud, and what there is to kill beside its own processes."""

    cloud: Cloud
    others: Mapping[str, Server] = field(default_factory=dict)


@pytest.fixture(params=["files", pytest.param("servers", marks=pytest.mark.rabbitmq)])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    if request.param == "files":
        with _a_cloud(tmp_path) as cloud:
            yield Ground(cloud)
        return
    broker: RabbitMq = request.getfixturevalue("rabbitmq")
    servers: Servers = request.getfixturevalue("database_servers")
    database = servers.get("mariadb")
    assert isinstance(database, MariaDb)
    for make_url in servers.fresh("mariadb"):
        with _a_cloud(tmp_path, *configured(tmp_path, make_url, broker)) as cloud, more_hosts(cloud) as hosts:
            yield Ground(cloud, {"hosts": hosts, "broker": broker, "database": database})


@contextlib.contextmanager
def _a_cloud(folder: Path, *options: str) -> Iterator[Cloud]:
    with a_cloud(folder / "state", "--simulate", "--workers", "2", "--services", SERVICES, *options) as cloud:
        cloud.up()
        yield cloud


@pytest.mark.timeout(400 + 15 * _OPERATIONS)
@pytest.mark.parametrize("seed", _SEEDS)
def test_all_services_agree_after_random_kills(ground: Ground, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tests.system.compute")
    api = Api(ground.cloud)
    things = Things(api)
    chance = random.Random(seed)
    for _ in range(-(-_OPERATIONS // _ROUND)):
        _walk(ground, api, things, chance)
        assert api.wrong == []
        log.info("settled after %.1f s", agree(lambda: unsettled(api), _QUIET_S))
        for server in api.servers():
            log.info("%s is %s %s", server["id"], server["status"], server.get("fault"))
        log.info("agreed after %.1f s", agree(lambda: differences(api, ground.cloud, things)))
    for server in api.servers():
        api("DELETE", COMPUTE, f"/v2.1/servers/{server['id']}")
    agree(lambda: [one["id"] for one in api.servers()], _QUIET_S)
    agree(lambda: differences(api, ground.cloud, things))


def _walk(ground: Ground, api: Api, things: Things, chance: random.Random) -> None:
    killer = Killer(ground.cloud, random.Random(chance.random()), ground.others)
    count = min(_OPERATIONS, _ROUND) // _USERS
    users = [User(api, things, random.Random(chance.random()), count, killer.has_killed_each) for _ in range(_USERS)]
    for user in users:
        user.start()
    killer.run(lambda: any(user.is_alive() for user in users))
    assert killer.has_killed_each()
    asked, taken = (sum(getattr(user, name) for user in users) for name in ("asked", "taken"))
    log.info("%d wishes, %d taken, killed: %s", asked, taken, dict(killer.killed))
