"""Draws docs/first-server.svg: what a terminal shows from `scripts/up` to a login on the first server.

    python -m tests.picture [--out docs/first-server.svg]

Everything shown is the output of the commands shown, run on a cloud of its own. Needs root and the stock client.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.clients import OPENSTACK, WITHOUT
from tests.system.cloud import Cloud, a_cloud, environment

WIDTH = 110
_SSH = "ssh -q -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"


def shell(command: str, variables: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=400, check=True, env=environment() | variables
    )
    return done.stdout


def scenes(cloud: Cloud) -> list[tuple[str, str]]:
    """(what is typed, what is printed)."""
    up = cloud.up()
    demo = cloud.run("demo", timeout_s=400).stdout
    exports = cloud.run("openrc", "--user", "demo").stdout
    folder = str(cloud.directory)
    login = re.search(r"ssh -i (\S+) (\S+)", demo)
    assert login is not None, demo
    variables = {"COLUMNS": str(WIDTH), "PATH": f"{Path(OPENSTACK or '').parent}:{os.environ['PATH']}"}
    listing = shell(f"{exports}\nopenstack server list --max-width {WIDTH}", variables)
    inside = shell(f"{_SSH} -i {login[1]} {login[2]} 'hostname; ip -4 -o addr show eth0; free -m | head -2'", variables)
    shown = [
        ("scripts/up", up.split("\n\n")[0] + "\n\nA first server:\n" + demo),
        ("openstack server list", listing),
        (f"ssh -i {login[1]} {login[2]}", inside),
    ]
    return [(typed.replace(folder, "~/cloud"), printed.replace(folder, "~/cloud")) for typed, printed in shown]


def draw(shown: list[tuple[str, str]], out: Path) -> None:
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True)
        for typed, printed in shown:
            console.print(Text.assemble(("# ", "bold green"), (typed, "bold")))
            console.print(Text(printed.rstrip()))
            console.print()
        console.save_svg(str(out), title="Cumulet")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/first-server.svg"))
    given = parser.parse_args()
    if OPENSTACK is None:
        raise SystemExit(WITHOUT)
    with tempfile.TemporaryDirectory() as folder, a_cloud(Path(folder) / "cloud") as cloud:
        draw(scenes(cloud), given.out)


if __name__ == "__main__":
    main()
