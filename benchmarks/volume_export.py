"""What a volume's guest gets, against the same disk given to QEMU by hand.

    .venv/bin/python benchmarks/volume_export.py [--megabytes 512] [--repeat 5]

For each way to reach a volume: `qemu-img bench` on what the back end hands out, and on the same file given to QEMU by
hand; for exports also on one that a plain storage daemon makes by hand. Reads and writes of 4 KiB at depth 16 and of
1 MiB at depth 4. Another host's end is a second daemon here, as bench cannot speak TLS: a guest's own QEMU can, and
saves that step. The issue's figure, at most 15% slower than by hand, is the one of the clock for the first way.

Shown are the fastest of several runs, taken in turns, because other work on the machine only makes one slower; and the
processor time of client and daemon together, which other work changes little.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cumulet.agents.volume.connector import Connector, served
from cumulet.agents.volume.daemon import Daemon
from cumulet.agents.volume.file.driver import FileDriver
from cumulet.agents.volume.file.options import FileOptions
from cumulet.agents.volume.protocols import Connector as Who
from cumulet.agents.volume.protocols import Volume

LOADS = {
    "read 4k": ["-c", "20000", "-s", "4096", "-d", "16"],
    "write 4k": ["-c", "20000", "-s", "4096", "-d", "16", "-w"],
    "read 1M": ["-c", "400", "-s", "1048576", "-d", "4"],
    "write 1M": ["-c", "400", "-s", "1048576", "-d", "4", "-w"],
}
Target = tuple[list[str], Path | None]
"""Arguments that name a disk, and the folder of the daemon that serves it."""
HERE, ELSEWHERE = Who(host="node1"), Who(host="node2")


def bench(target: list[str], load: list[str], daemon: Path | None) -> tuple[float, float]:
    """Seconds on the clock, and of processors: the client's and its daemon's."""
    before, begin = _cpu(daemon), time.monotonic()
    subprocess.run(["qemu-img", "bench", "-q", *load, *target], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin, _cpu(daemon) - before


def _cpu(daemon: Path | None) -> float:
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = own.ru_utime + own.ru_stime
    if daemon is not None:
        fields = Path(f"/proc/{(daemon / 'pid').read_text().strip()}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def nbd(socket: str, export: str) -> list[str]:
    return ["--image-opts", f"driver=nbd,server.type=unix,server.path={socket},export={export}"]


@contextmanager
def by_hand(folder: Path, path: str) -> Iterator[list[str]]:
    """A storage daemon as somebody would start it himself."""
    daemon, socket = Daemon(folder), folder / "nbd"
    node = f'{{"driver":"qcow2","node-name":"d","file":{{"driver":"file","filename":"{path}"}}}}'
    daemon.start(["--blockdev", node, *served(socket, "d", "d", writable=True)], {})
    try:
        yield nbd(str(socket), "d")
    finally:
        daemon.stop()


def fill(path: str, megabytes: int) -> None:
    """So that no allocation is measured."""
    subprocess.run(
        ["qemu-io", "-f", "qcow2", "-c", f"write -P 7 0 {megabytes}M", path], check=True, capture_output=True
    )


def compare(name: str, ours: Target, theirs: Target, repeat: int) -> None:
    for what, load in LOADS.items():
        times: tuple[list[float], list[float]] = ([], [])
        work: tuple[list[float], list[float]] = ([], [])
        for _ in range(repeat):
            for clock, cpu, (target, daemon) in zip(times, work, (ours, theirs), strict=True):
                elapsed, used = bench(target, load, daemon)
                clock.append(elapsed)
                cpu.append(used)
        mine, plain = (min(found) for found in times)
        cpu_mine, cpu_plain = (statistics.median(found) for found in work)
        print(
            f"{name:26} {what:9} {mine:7.3f} s  by hand {plain:7.3f} s {mine / plain - 1:+7.1%}"
            f"   processor {cpu_mine:6.3f} s  by hand {cpu_plain:6.3f} s {cpu_mine / cpu_plain - 1:+7.1%}",
            flush=True,
        )


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("--megabytes", type=int, default=512)
    given.add_argument("--repeat", type=int, default=5)
    args = given.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cumulet-", dir="/tmp")))
        options = FileOptions("file", "node1", folder / "d", folder / "x", "file", nbd_local=False, tls=True)
        driver, connector = FileDriver(options), Connector(folder / "c")
        for volume_id in ("a", "b"):
            driver.create(Volume(volume_id, 1))
            fill(driver.connect(volume_id, "fill", HERE, "rw")["data"]["path"], args.megabytes)
            driver.disconnect(volume_id, "fill")
        path = driver.connect("a", "one", HERE, "rw")["data"]["path"]
        other = driver.connect("b", "one", HERE, "rw")["data"]["path"]
        compare("file on the same host", (["-f", "qcow2", path], None), (["-f", "qcow2", other], None), args.repeat)
        driver.disconnect("a", "one")
        driver.disconnect("b", "one")

        local = FileDriver(FileOptions("file", "node1", folder / "d", folder / "y", "file", nbd_local=True))
        data = local.connect("a", "one", HERE, "rw")["data"]
        near = (nbd(data["socket"], data["export"]), folder / "y" / "a")
        plain: Target = (["-f", "qcow2", other], None)
        compare("NBD, same host; file", near, plain, args.repeat)
        with by_hand(folder / "h", other) as theirs:
            compare("NBD, same host; NBD", near, (theirs, folder / "h"), args.repeat)
        local.disconnect("a", "one")
        disk = connector.attach(driver.connect("a", "two", ELSEWHERE, "rw"))
        far = (nbd(disk.socket or "", disk.export or ""), folder / "x" / "a")
        compare("NBD in TLS, other; file", far, plain, max(1, args.repeat // 2))
        connector.detach("a")
        driver.disconnect("a", "two")


if __name__ == "__main__":
    main()
