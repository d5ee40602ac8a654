"""`cumulet logs`: what every process of the cloud wrote, by time."""

from __future__ import annotations

import collections
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cumulet.cli import lines
from cumulet.cli.options import StateDir, paths_of

_LOOK_EVERY_S = 0.2


def logs(
    state_dir: StateDir = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")] = False,
    role: Annotated[str | None, typer.Option(help="Only this process: supervisor, api-1, engine, …")] = None,
    count: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines; 0: all.")] = 200,
    raw: Annotated[bool, typer.Option("--json", help="The JSON lines as they are.")] = False,
) -> None:
    """Print the log lines of all processes in the order of time."""
    directory = paths_of(state_dir).logs
    ends = {file: file.stat().st_size for file in lines.files(directory, role)}
    for entry in collections.deque(lines.merged(directory, role), maxlen=count or None):
        _show(entry, raw)
    while follow:
        try:
            time.sleep(_LOOK_EVERY_S)
        except KeyboardInterrupt:
            return
        for entry in sorted(_new(directory, role, ends), key=lambda entry: entry["time"]):
            _show(entry, raw)


def _show(entry: dict[str, Any], raw: bool) -> None:
    if raw:
        import msgspec

        typer.echo(msgspec.json.encode(entry))
    else:
        typer.echo(lines.text(entry))


def _new(directory: Path, role: str | None, ends: dict[Path, int]) -> list[dict[str, Any]]:
    """What was appended since the last look. A file that was set aside is shorter now and read from its beginning."""
    found = []
    for file in lines.files(directory, role):
        start, size = ends.get(file, 0), file.stat().st_size
        if size < start:
            start = 0
        if size == start:
            continue
        with file.open("rb") as opened:
            opened.seek(start)
            data = opened.read(size - start)
        whole = data[: data.rfind(b"\n") + 1]
        ends[file] = start + len(whole)
        found += [lines.decode(line, file.stem) for line in whole.splitlines()]
    return found
