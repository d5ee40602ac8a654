"""A Ceph of one node for tests: a monitor, a manager and an OSD that keeps everything in memory.

Packages (Debian): ceph-mon, ceph-mgr, ceph-osd, ceph-common, qemu-block-extra. Everything is below one directory, on
ports of its own at the loopback address, and ends with `stop`. Clients log in (cephx) as `client.cinder`, whose
capabilities are those that Ceph's documentation gives to Volume.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from cumulet.agents.volume.rbd.options import RbdOptions
from cumulet.agents.volume.rbd.tools import rbd_is_missing
from cumulet.agents.volume.transfer import short_folder
from tests.daemons import free_port

POOL: Final = "volumes"
USER: Final = "cinder"
_START_S: Final = 90.0
_PROGRAMS: Final = ("ceph-mon", "ceph-mgr", "ceph-osd", "ceph-authtool", "monmaptool")
_CONF: Final = """\
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]
public addr = 127.0.0.1
keyring = {folder}/keyring
log file = {folder}/$name.log
pid file = {folder}/$name.pid
run dir = {folder}
admin socket = {folder}/$name.$pid.asok
mon data = {folder}/mon
mgr data = {folder}/mgr
osd data = {folder}/osd
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 4294967296
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail crit = 1
mon data avail warn = 2
mgr initial modules =
osd client watch timeout = 12
mon mgr beacon grace = 600
mgr tick period = 1
mgr stats period = 1
mon tick interval = 1
paxos propose interval = 0.05
paxos min wait = 0.02
[client]
keyring = {folder}/client.keyring
"""


def missing() -> str | None:
    """Why no Ceph can be started here."""
    absent = [program for program in _PROGRAMS if shutil.which(program) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (scripts/packages test)"
    return rbd_is_missing()


class Ceph:
    """One cluster below `folder`, whose path has to be short enough for sockets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "ceph.conf"
        self._daemons: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """With one pool, ready to be written to."""
        for name in ("mon", "mgr", "osd"):
            (self.folder / name).mkdir(parents=True)
        fsid, v2, v1 = str(uuid.uuid4()), free_port(), free_port()
        self.conf.write_text(_CONF.format(fsid=fsid, v2=v2, v1=v1, folder=self.folder))
        self._keyrings()
        monmap = str(self.folder / "monmap")
        addresses = f"[v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]"
        self._run("monmaptool", "--create", "--addv", "a", addresses, "--fsid", fsid, monmap)
        self._daemon_run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        self._daemon("ceph-mon", "a")
        self._daemon("ceph-mgr", "x")
        osd = str(uuid.uuid4())
        self.ceph("osd", "new", osd)
        self._daemon_run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._daemon("ceph-osd", "0")
        self.ceph("osd", "pool", "create", POOL, "8")
        run(["rbd", "--conf", str(self.conf), "pool", "init", POOL])  # ends when the pool can be written to
        limit = time.monotonic() + _START_S
        while not self._capacity():
            assert time.monotonic() < limit, self.ceph("status")
            time.sleep(0.5)

    def options(self, **rest: Any) -> RbdOptions:
        """Of a back end that has this pool."""
        values: dict[str, Any] = {
            "name": "rbd",
            "host": "node1",
            "pool": POOL,
            "user": USER,
            "conf": self.conf,
            "volume_backend_name": "rbd",
            **rest,
        }
        return RbdOptions(**values)

    def _keyrings(self) -> None:
        """What daemons and the administrator know, and what Volume does."""
        every, theirs = str(self.folder / "keyring"), str(self.folder / "client.keyring")
        full = ["--cap", "mon", "allow *", "--cap", "mgr", "allow *", "--cap", "osd", "allow *"]
        volumes = ["--cap", "mon", "profile rbd", "--cap", "mgr", "profile rbd", "--cap", "osd", "profile rbd"]
        for name, caps in (("mon.", full[:3]), ("client.admin", full), (f"client.{USER}", volumes)):
            self._run("ceph-authtool", every, *self._created(every), "--gen-key", "-n", name, *caps)
        self._run("ceph-authtool", theirs, "-C", "--import-keyring", every)
        for name in ("mgr.x", "osd.0"):  # they log in with the administrator's key's capabilities, by keys of their own
            self._run("ceph-authtool", every, "--gen-key", "-n", name, *full)

    @staticmethod
    def _created(keyring: str) -> list[str]:
        return [] if Path(keyring).exists() else ["--create-keyring"]

    def _capacity(self) -> int:
        pools: list[dict[str, Any]] = json.loads(self.ceph("df", "--format", "json"))["pools"]
        return sum(int(pool["stats"]["max_avail"]) for pool in pools if pool["name"] == POOL)

    def ceph(self, *arguments: str) -> str:
        return self._run("ceph", "--connect-timeout", "30", "--conf", str(self.conf), *arguments)

    def rbd(self, *arguments: str) -> str:
        return self._run("rbd", "--conf", str(self.conf), "--id", USER, "--pool", POOL, *arguments)

    def images(self) -> list[str]:
        return list(json.loads(self.rbd("ls", "--format", "json")))

    def empty(self) -> None:
        """The pool as it was at first: clones go before what they were made of."""
        for _ in range(10):
            for image in self.images():
                self.rbd("snap", "purge", "--no-progress", image)
                with contextlib.suppress(AssertionError):
                    self.rbd("rm", "--no-progress", image)
            if not self.images():
                return
        raise AssertionError(self.images())

    def pause(self) -> None:
        """Nothing answers any more, and connections stay."""
        for daemon in self._daemons:
            os.kill(daemon.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        for daemon in self._daemons:
            os.kill(daemon.pid, signal.SIGCONT)

    def stop(self) -> None:
        for daemon in self._daemons:
            daemon.kill()
        for daemon in self._daemons:
            daemon.wait()
        self._daemons.clear()

    def _daemon(self, program: str, name: str) -> None:
        with (self.folder / f"{program}.out").open("wb") as said:
            self._daemons.append(
                subprocess.Popen(
                    [program, "-f", "--conf", str(self.conf), "-i", name],
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    start_new_session=True,
                )
            )

    def _daemon_run(self, program: str, *arguments: str) -> None:
        self._run(program, "--conf", str(self.conf), "--keyring", str(self.folder / "keyring"), *arguments)

    @staticmethod
    def _run(*argv: str) -> str:
        return run(argv)


def run(argv: Sequence[str]) -> str:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_START_S, check=False)
    assert done.returncode == 0, f"{argv}: {done.stderr.decode(errors='replace')}"
    return done.stdout.decode()


@pytest.fixture(scope="session")
def one_ceph() -> Iterator[Ceph]:
    """Started for the first test that wants one."""
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    with short_folder() as folder:
        ceph = Ceph(folder)
        try:
            ceph.start()
            yield ceph
        finally:
            ceph.stop()


@pytest.fixture
def ceph(one_ceph: Ceph) -> Ceph:
    """With an empty pool."""
    one_ceph.empty()
    return one_ceph
