"""All figures of one cloud, or of several side by side, under the very same load.

    python -m benchmarks --cloud NAME=AUTH_URL,USER,PASSWORD[,PROCESSES…] [--cloud …] [--only compute,network]
        [--rows 200] [--clients 1,32] [--seconds 3] [--short] [--limit 600] [--json FILE] [--markdown FILE]

AUTH_URL ends in /v3; the user is an administrator in a project of the same name. PROCESSES are process ids, or
directories with *.pid files: with them the processor time of a request is told, with that of all processes below them
and without what they use when idle; it holds on a busy machine where rates do not. What is made is in a project of its
own, without quotas, and goes in the end. Clouds take turns within each part. A part that fails or takes longer than
--limit seconds is told, and the others go on; the exit status is then 1. With two clouds the last column is how many
times less the second one needs.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import urllib3
from benchmarks.clouds import PARTS, report
from benchmarks.clouds.report import Results
from benchmarks.clouds.target import Case, Late, Refused, Target
from benchmarks.load import Measure, cpu_of, measure

_FAILURES = (Late, Refused, LookupError, RuntimeError, urllib3.exceptions.HTTPError, ValueError)
_WARM_S = 0.01  # a request that nobody counts: what it finds is remembered by one cloud or the other
_SHORT = {"rows": 40, "clients": "1,8", "seconds": 1.0, "limit": 180.0}
_LONG = {"rows": 200, "clients": "1,32", "seconds": 3.0, "limit": 600.0}


class Run:
    """What was asked for, and what came of it."""

    def __init__(self, clouds: list[Target], rows: int, clients: list[int], seconds: float, limit_s: float) -> None:
        self.clouds = clouds
        self.rows, self.clients, self.seconds, self.limit_s = rows, clients, seconds, limit_s
        self.results = Results([cloud.name for cloud in clouds])

    def begin(self) -> None:
        """A cloud that cannot be logged in to is told and left out."""
        for cloud in list(self.clouds):
            try:
                cloud.begin()
            except _FAILURES as error:
                self._failed(cloud, "the beginning", error)
                self.clouds.remove(cloud)

    def part(self, name: str) -> None:
        started = time.monotonic()
        entered: list[tuple[Target, ExitStack, list[Case]]] = []
        for cloud in self.clouds:
            _say(f"{name}: preparing {cloud.name}")
            cloud.deadline = started + self.limit_s
            stack = ExitStack()
            try:
                cloud.login()
                entered.append((cloud, stack, stack.enter_context(PARTS[name](cloud, self.rows))))
            except _FAILURES as error:
                self._failed(cloud, name, error)
        for cloud, _, _ in entered:
            cloud.deadline = time.monotonic() + self.limit_s
        for number, case in enumerate(entered[0][2] if entered else ()):
            _say(f"{name}: {case.name}")
            for cloud, _, cases in entered:
                try:
                    self._measure(cloud, name, cases[number])
                except _FAILURES as error:
                    self._failed(cloud, f"{name}, {case.name}", error)
        for cloud, stack, _ in entered:
            try:
                stack.close()
            except _FAILURES as error:
                self._failed(cloud, f"{name}, cleaning up", error)

    def end(self, cloud: Target) -> None:
        cloud.begin_cleaning()
        try:
            cloud.end()
        except _FAILURES as error:
            self._failed(cloud, "the end", error)

    def _measure(self, cloud: Target, part: str, case: Case) -> None:
        if time.monotonic() > cloud.deadline:
            raise Late("the part's time is over")
        if case.once is not None:
            self.results.add(cloud.name, part, case.name, 0, _once(cloud, case))
        elif case.request is not None:
            measure(case.request, cloud.token, clients=1, seconds=_WARM_S, pids=())
            for count in self.clients:
                found = measure(
                    case.request, cloud.token, clients=count, seconds=self.seconds, pids=cloud.pids, idle=cloud.idle
                )
                self.results.add(cloud.name, part, case.name, count, found)

    def _failed(self, cloud: Target, what: str, error: Exception) -> None:
        self.results.failures.append(f"{cloud.name}: {what}: {type(error).__name__}: {error}")
        _say(self.results.failures[-1])


def _once(cloud: Target, case: Case) -> Measure:
    """A few connections do it, as fast as they can. Latencies are not known."""
    assert case.once is not None
    before, started = cpu_of(cloud.pids), time.monotonic()
    count = case.once()
    elapsed, spent = time.monotonic() - started, cpu_of(cloud.pids) - before
    return Measure.of(count, elapsed, spent - cloud.idle * elapsed if cloud.pids else None)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _cloud(text: str) -> Target:
    name, _, rest = text.partition("=")
    words = rest.split(",")
    if len(words) < 3:
        raise argparse.ArgumentTypeError(f"{text}: write NAME=AUTH_URL,USER,PASSWORD[,PROCESSES…]")
    return Target(name, words[0].rstrip("/"), words[1], words[2], tuple(pid for one in words[3:] for pid in _pids(one)))


def _pids(text: str) -> list[int]:
    if text.isdigit():
        return [int(text)]
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is neither a process id nor a directory with *.pid files")
    return [int(file.read_text()) for file in sorted(Path(text).glob("*.pid"))]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cloud", type=_cloud, action="append", required=True)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--short", action="store_true", help=f"a look of minutes: {_SHORT}")
    parser.add_argument("--rows", type=int, help=f"things to make and list in each part; default: {_LONG['rows']}")
    parser.add_argument("--clients", help=f"numbers of connections at once; default: {_LONG['clients']}")
    parser.add_argument("--seconds", type=float, help=f"for each measure; default: {_LONG['seconds']}")
    parser.add_argument("--limit", type=float, help=f"seconds that a part may take; default: {_LONG['limit']}")
    parser.add_argument("--json", type=Path, help="also write every figure to this file")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    given = parser.parse_args()
    only = given.only.split(",")
    if unknown := [name for name in only if name not in PARTS]:
        parser.error(f"there is no {', '.join(unknown)}; there are: {', '.join(PARTS)}")
    for option, value in (_SHORT if given.short else _LONG).items():
        if getattr(given, option) is None:
            setattr(given, option, value)
    if given.rows < 2:
        parser.error("--rows: at least 2")
    run = Run(given.cloud, given.rows, [int(word) for word in given.clients.split(",")], given.seconds, given.limit)
    try:
        run.begin()
        for name in only:
            run.part(name)
            report.write(run.results, given.json, given.markdown)
    finally:
        for cloud in run.clouds:
            run.end(cloud)
        report.show(run.results)
        report.write(run.results, given.json, given.markdown)
    return 1 if run.results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
