"""What a run found: a table on the terminal, JSON, and Markdown for docs/figures.md."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.load import Measure
from rich.console import Console
from rich.table import Table


class Key(NamedTuple):
    """`clients`: connections at once; 0: a few, until a number of things was done."""

    part: str
    case: str
    clients: int


class Results:
    def __init__(self, clouds: list[str]) -> None:
        self.clouds = clouds
        self.found: dict[Key, dict[str, Measure]] = {}
        self.failures: list[str] = []
        self.started = time.time()
        self.loads = [os.getloadavg()[0]]

    def add(self, cloud: str, part: str, case: str, clients: int, one: Measure) -> None:
        self.found.setdefault(Key(part, case, clients), {})[cloud] = one
        self.loads.append(os.getloadavg()[0])

    def times(self, key: Key) -> float | None:
        """How many times less the second of two clouds needs: by processor time where both tell it, else by rate."""
        if len(self.clouds) != 2 or len(self.found[key]) != 2:
            return None
        first, second = (self.found[key][cloud] for cloud in self.clouds)
        if first.cpu_ms and second.cpu_ms:
            return first.cpu_ms / second.cpu_ms
        return second.rate / first.rate

    def about(self) -> str:
        when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(self.started))
        return f"{when} UTC, load {min(self.loads):.1f} to {max(self.loads):.1f} on {os.cpu_count()} cores"

    def document(self) -> dict[str, Any]:
        figures = [
            {"cloud": cloud, "service": key.part, "request": key.case, "clients": key.clients, **one.shown()}
            for key, by_cloud in self.found.items()
            for cloud, one in by_cloud.items()
        ]
        return {"run": self.about(), "clouds": self.clouds, "figures": figures, "failures": self.failures}


def _head(results: Results) -> list[str]:
    columns = [f"{cloud} {what}" for cloud in results.clouds for what in ("median ms", "a second", "CPU ms")]
    return ["service", "request", "clients", *columns, *(["times"] if len(results.clouds) == 2 else [])]


def _rows(results: Results) -> list[list[str]]:
    rows = []
    for key, by_cloud in results.found.items():
        cells = [cell for cloud in results.clouds for cell in _cells(by_cloud.get(cloud))]
        times = results.times(key)
        last = ["" if times is None else f"{times:,.1f}"] if len(results.clouds) == 2 else []
        rows.append([key.part, key.case, str(key.clients or ""), *cells, *last])
    return rows


def _cells(one: Measure | None) -> list[str]:
    if one is None:
        return ["", "", ""]
    failed = f" ({one.errors} failed)" if one.errors else ""
    median = "" if one.median_ms is None else f"{one.median_ms:,.1f}"
    return [
        median,
        f"{one.rate:,.{0 if one.rate >= 10 else 1}f}{failed}",
        "" if not one.cpu_ms else f"{one.cpu_ms:,.2f}",
    ]


def show(results: Results) -> None:
    table = Table(title=results.about())
    for number, heading in enumerate(_head(results)):
        table.add_column(heading, justify="right" if number > 1 else "left")
    for row in _rows(results):
        table.add_row(*row)
    console = Console(width=None if Console().is_terminal else 160)
    console.print(table)
    for failure in results.failures:
        console.print(f"Not measured: {failure}", markup=False)


def write(results: Results, as_json: Path | None, as_markdown: Path | None) -> None:
    if as_json:
        as_json.write_text(json.dumps(results.document(), indent=1) + "\n")
    if as_markdown:
        head = _head(results)
        lines = [head, ["---"] * 2 + ["---:"] * (len(head) - 2), *_rows(results)]
        as_markdown.write_text("".join(f"| {' | '.join(line)} |\n" for line in lines))
