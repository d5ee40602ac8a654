"""Runs a list of Tempest tests against a throw-away cloud and prints how many of them passed.

    python -m tests.tempest.run SUITES LIST [--guests lxc|qemu] [--concurrency N] [--keep]

SUITES is the environment that has Tempest; LIST a file of anchored regular expressions, one a test, or a name in
`lists/` (`identity` is `identity-noboot`). A skip is not a pass. `conf/<project>.conf` is what the cloud is told, with
`@FILES_PORT@` replaced by the port of a web server that the tests fetch small images from.

Tests that log in to their guests (those of `lists/*-ssh.regex`) are run with real ones after the others, which get
simulated ones, unless `--guests` says what all shall have: those of `lists/machines.regex` with QEMU guests, which can
do what containers cannot (vfat, a network that stands still too when the guest is paused), all others with containers.
Tests of a service that is not there are left out, by name.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.system.cloud import Cloud, a_cloud
from tests.system.compute.real import missing
from tests.tempest import facts, manifest

HERE = Path(__file__).parent
RUN_TIMEOUT_S = 3 * 3600
_FOLDERS = {"object_store": "object_storage"}
"""What Tempest calls a service's tests, where that is not its name here."""
_RESULT = re.compile(
    r"\{\d+\} (?P<name>[\w.]+|\w+ \([\w.]+\))(?:\([^)]*\))?(?: \[[\d.]+s\])? \.\.\. (?P<result>ok|FAILED|SKIPPED)"
)


def list_file(name: str) -> Path:
    """Raises SystemExit with what there is."""
    candidates = (
        Path(name),
        HERE / "lists" / name,
        *(HERE / "lists" / f"{name}{end}.regex" for end in ("", "-noboot")),
    )
    for candidate in candidates:
        if candidate.is_file():
            return candidate.absolute()
    known = ", ".join(sorted(file.stem for file in (HERE / "lists").iterdir()))
    sys.exit(f"there is no list called {name}; there are: {known}")


class Count(NamedTuple):
    """Lines of the list, and tests: one line may stand for several."""

    good: int = 0
    lines: int = 0
    failed: int = 0
    skipped: int = 0

    def plus(self, other: Count) -> Count:
        return Count(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def __str__(self) -> str:
        return f"{self.good}/{self.lines} passed, {self.failed} failed, {self.skipped} skipped"


def parts(patterns: list[str], guests: str | None) -> list[tuple[str | None, list[str]]]:
    """What guests which lines of a list are run with; None: simulated ones."""
    if guests is not None:
        return [(guests, patterns)]
    listed = _lines("*-ssh.regex")
    into = [line for line in patterns if line in listed]
    if into and (reason := missing()) is not None:
        print(f"{len(into)} tests that log in to guests will be skipped, as they get simulated ones: {reason}")
        return [(None, patterns)]
    machines = _lines("machines.regex")
    split = [
        (None, [line for line in patterns if line not in listed]),
        ("lxc", [line for line in into if line not in machines]),
        ("qemu", [line for line in into if line in machines]),
    ]
    return [(kind, lines) for kind, lines in split if lines]


def _lines(lists: str) -> set[str]:
    return {line for file in (HERE / "lists").glob(lists) for line in file.read_text().split()}


def without(patterns: list[str], absent: list[str]) -> list[str]:
    """The lines but for those of services that are not there, which are told."""
    for service in absent:
        start = rf"^tempest\.api\.{_FOLDERS.get(service, service)}\."
        left = [line for line in patterns if line.startswith(start)]
        if left:
            print(f"{len(left)} tests of {service} are left out: there is no such service")
        patterns = [line for line in patterns if not line.startswith(start)]
    return patterns


def configuration(template: str, known: dict[str, str]) -> str:
    """The template with its @NAMES@ replaced; lines that name something unknown are left out."""
    lines = []
    for line in template.splitlines():
        names = re.findall(r"@(\w+)@", line)
        if all(name in known for name in names):
            lines.append(re.sub(r"@(\w+)@", lambda match: known[match[1]], line))
    return "\n".join(lines) + "\n"


@contextmanager
def files(directory: Path) -> Iterator[int]:
    """A web server with the small images that the import tests fetch; the port."""
    directory.mkdir(parents=True)
    (directory / "tiny.raw").write_bytes(bytes(1 << 20))
    if shutil.which("qemu-img"):
        convert = ["qemu-img", "convert", "-O", "qcow2", "tiny.raw", "tiny.qcow2"]
        subprocess.run(convert, cwd=directory, check=True)
    with tarfile.open(directory / "tiny.tar.gz", "w:gz") as archive:
        archive.add(directory / "tiny.raw", "tiny.raw")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: the output is Tempest's."""

    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(directory)))
    threading.Thread(target=served.serve_forever, daemon=True).start()
    try:
        yield served.server_port
    finally:
        served.shutdown()


def options(port: int, directory: Path, guests: str | None = None) -> list[str]:
    """The program's options for `conf/`, the files of which are completed in `directory`.

    `guests`: what real servers are made of, as nova.conf's `virt_type`; None: simulated ones.
    """
    directory.mkdir()
    found = ["--simulate"] if guests is None else ["--real"]
    if guests is not None:
        (directory / "nova.conf").write_text(
            f"[DEFAULT]\nallow_resize_to_same_host = true\n[libvirt]\nvirt_type = {guests}\n"  # there is one host
        )
        found += ["--config-file", f"nova={directory / 'nova.conf'}"]
    for file in sorted((HERE / "conf").iterdir()):
        completed = directory / file.name
        completed.write_text(file.read_text().replace("@FILES_PORT@", str(port)))
        found += ["--config-file", f"{file.stem}={completed}"]
    return found


def run(suites: Path, patterns: list[str], concurrency: int, workspace: Path, cloud: Cloud, port: int) -> Count:
    """Run the lines of a list in a new workspace. `port` is that of the files."""
    tempest = suites / "bin" / "tempest"
    # Tempest keeps a list of workspaces in the home directory.
    environment = os.environ | {"PATH": f"{suites / 'bin'}:{os.environ['PATH']}", "HOME": str(workspace.parent)}
    subprocess.run([tempest, "init", workspace], check=True, env=environment, stdout=subprocess.DEVNULL)
    template = (HERE / "tempest.conf.template").read_text()
    known = facts.of(cloud, workspace, port) | manifest.write(workspace / "images")
    patterns = without(patterns, facts.absent(known))
    if any("test_networks" in pattern and "compute" in pattern for pattern in patterns):
        facts.share_a_network(cloud)
    if not patterns:
        return Count()  # and Tempest would take an empty list for every test there is
    (workspace / "etc" / "tempest.conf").write_text(configuration(template, known))
    tests = workspace / "list.regex"
    tests.write_text("\n".join(patterns) + "\n")
    command = [str(tempest), "run", "--include-list", str(tests), "--concurrency", str(concurrency)]
    log = workspace / "run.log"
    with log.open("w") as output:
        subprocess.run(
            command,
            cwd=workspace,
            env=environment,
            stdout=output,
            stderr=output,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
    return report(log.read_text(), patterns)


def report(text: str, patterns: list[str]) -> Count:
    """Print what did not pass, and count.

    A line of the list passes when it has passed and nothing of it failed: a test that is made once for each of many
    images may skip those that it does not concern, which are named too.
    """
    passed: set[str] = set()
    failed: set[str] = set()
    for line in text.splitlines():
        match = _RESULT.match(line)
        if match is None:
            continue
        if match["result"] == "ok":
            passed.add(match["name"])
        else:
            print(re.sub(r"^\{\d+\} ", "  ", line))
            if match["result"] == "FAILED":
                failed.add(match["name"])
    good = sum(_any(pattern, passed) and not _any(pattern, failed) for pattern in patterns)
    if " - Passed:" not in text:
        print(text[-3000:])
    return Count(good, len(patterns), _count("Failed", text), _count("Skipped", text))


def _any(pattern: str, names: set[str]) -> bool:
    return any(re.search(pattern, name) for name in names)


def _count(word: str, text: str) -> int:
    found = re.findall(rf"^ - {word}: +(\d+)", text, re.MULTILINE)
    return int(found[-1]) if found else 0


def one_cloud(
    suites: Path, patterns: list[str], guests: str | None, concurrency: int, workspace: Path, *, keep: bool
) -> Count:
    """Run lines of a list against a cloud of their own."""
    workspace.mkdir()
    with (
        files(workspace / "files") as port,
        a_cloud(workspace / "cloud", *options(port, workspace / "conf", guests)) as cloud,
    ):
        cloud.up()
        try:
            return run(suites, patterns, concurrency, workspace / "ws", cloud, port)
        finally:
            if keep:
                shutil.copytree(cloud.directory / "log", workspace / "cloud-log")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", type=Path)
    parser.add_argument("list")
    parser.add_argument("--concurrency", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--guests", choices=["lxc", "qemu"], help="what all tests get: real servers; needs root")
    parser.add_argument("--keep", action="store_true", help="leave the workspace, with Tempest's logs")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the cloud is ended then, too
    patterns = list_file(given.list).read_text().split()
    workspace = Path(tempfile.mkdtemp(prefix="cumulet-tempest-"))
    count = Count()
    try:
        for guests, lines in parts(patterns, given.guests):
            print(f"{len(lines)} tests with {guests or 'simulated'} guests", flush=True)
            place = workspace / (guests or "simulated")
            suites = given.suites.absolute()
            count = count.plus(one_cloud(suites, lines, guests, given.concurrency, place, keep=given.keep))
    finally:
        if given.keep:
            print(f"kept: {workspace}")
        else:
            shutil.rmtree(workspace, ignore_errors=True)
    print(count)
    return 0 if count.good >= count.lines else 1


if __name__ == "__main__":
    sys.exit(main())
