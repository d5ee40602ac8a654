"""How a cloud's status looks on a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text


def megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"


def table_of_services(described: dict[str, Any]) -> Table:
    table = Table(title="Services", title_justify="left", box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for column in ("name", "endpoint", "state"):
        table.add_column(column)
    for service in described["services"]:
        style = "green" if service["state"] == "up" else "red"
        table.add_row(service["name"], service["endpoint"], Text(service["state"], style=style))
    return table


def table_of_processes(described: dict[str, Any]) -> Table:
    table = Table(title="Processes", title_justify="left", box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for column, justify in (("role", "left"), ("pid", "right"), ("memory", "right"), ("own share", "right")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    table.add_column("restarts", justify="right")
    table.add_column("last reason")
    for process in described["processes"]:
        table.add_row(
            process["role"],
            str(process["pid"]),
            megabytes(process["rss_bytes"]),
            megabytes(process["pss_bytes"]),
            str(process["restarts"]),
            Text(process["reason"] or "", style="yellow"),
        )
    for place in described["waiting"]:
        table.add_row(place["role"], "-", "", "", str(place["restarts"]), Text(place["reason"] or "", style="red"))
    total = sum(process["pss_bytes"] for process in described["processes"])
    if described["processes"]:
        table.add_row("together", "", "", megabytes(total), "", "")
    return table


def whole(described: dict[str, Any], *footer: str) -> Group:
    state = Text(f"The cloud is {described['state']}.", style="bold")
    if described.get("message"):
        state.append(f" {described['message']}", style="red")
    parts: list[Any] = [state, Text(""), table_of_services(described)]
    if described["processes"]:
        parts += [Text(""), table_of_processes(described)]
    return Group(*parts, *(Text(line) for line in ("", *footer) if footer))
