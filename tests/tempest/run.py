"""Runs a list of Tempest tests against a throw-away cloud and prints how many of them passed.

    python -m tests.tempest.run SUITES LIST [--concurrency N] [--keep]

SUITES is the environment that has Tempest; LIST a file of anchored regular expressions, one a test, or a name in
`lists/` (`identity` is `identity-noboot`). A skip is not a pass. `conf/<project>.conf` is what the cloud is told.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.cloud import Cloud, a_cloud
from tests.tempest import facts

HERE = Path(__file__).parent
RUN_TIMEOUT_S = 3 * 3600


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
    directory.mkdir()
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


def run(suites: Path, tests: Path, concurrency: int, workspace: Path, cloud: Cloud) -> bool:
    """Whether every test of the list passed."""
    tempest = suites / "bin" / "tempest"
    # Tempest keeps a list of workspaces in the home directory.
    environment = os.environ | {"PATH": f"{suites / 'bin'}:{os.environ['PATH']}", "HOME": str(workspace.parent)}
    subprocess.run([tempest, "init", workspace], check=True, env=environment, stdout=subprocess.DEVNULL)
    with files(workspace / "files") as port:
        template = (HERE / "tempest.conf.template").read_text()
        known = facts.of(cloud, workspace, port)
        (workspace / "etc" / "tempest.conf").write_text(configuration(template, known))
        command = [tempest, "run", "--include-list", tests, "--concurrency", str(concurrency)]
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
    return report(log.read_text(), len(tests.read_text().split()))


def report(text: str, total: int) -> bool:
    """Print the count and what did not pass."""
    passed = _count("Passed", text)
    for line in text.splitlines():
        if re.search(r"\.\.\. (FAILED|SKIPPED)", line):
            print(re.sub(r"^\{\d+\} ", "  ", line))
    if " - Passed:" not in text:
        print(text[-3000:])
    print(f"{passed}/{total} passed, {_count('Failed', text)} failed, {_count('Skipped', text)} skipped")
    return passed >= total


def _count(word: str, text: str) -> int:
    found = re.findall(rf"^ - {word}: +(\d+)", text, re.MULTILINE)
    return int(found[-1]) if found else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", type=Path)
    parser.add_argument("list")
    parser.add_argument("--concurrency", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", action="store_true", help="leave the workspace, with Tempest's logs")
    given = parser.parse_args()
    tests = list_file(given.list)
    workspace = Path(tempfile.mkdtemp(prefix="cumulet-tempest-"))
    options = ["--simulate"]
    for file in sorted((HERE / "conf").iterdir()):
        options += ["--config-file", f"{file.stem}={file}"]
    try:
        with a_cloud(workspace / "cloud", *options) as cloud:
            cloud.up()
            passed = run(given.suites.absolute(), tests, given.concurrency, workspace / "ws", cloud)
            if given.keep:
                shutil.copytree(cloud.directory / "log", workspace / "cloud-log")
    finally:
        if given.keep:
            print(f"kept: {workspace}")
        else:
            shutil.rmtree(workspace, ignore_errors=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
