"""Network, as jobs use it: the ports of a server (Networking API, Ports)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, urlencode

from cumulet.compute.clients.answers import ask, content
from cumulet.kernel.client import Session
from cumulet.kernel.jobs import GiveUp

Port = dict[str, Any]
OWNER = "compute:"


def ports_of(session: Session, server_id: str) -> list[Port]:
    found: list[Port] = content(ask(session, "GET", "network", f"/v2.0/ports?device_id={server_id}"), "network")[
        "ports"
    ]
    return found


def port(session: Session, port_id: str) -> Port | None:
    """None when there is none."""
    answer = ask(session, "GET", "network", f"/v2.0/ports/{quote(port_id, safe='')}")
    if answer.status == 404:
        return None
    found: Port = content(answer, "network")["port"]
    return found


def create_port(session: Session, values: dict[str, Any]) -> Port:
    port: Port = content(ask(session, "POST", "network", "/v2.0/ports", json={"port": values}), "network")["port"]
    return port


def update_port(session: Session, port_id: str, values: dict[str, Any]) -> Port:
    answer = ask(session, "PUT", "network", f"/v2.0/ports/{quote(port_id, safe='')}", json={"port": values})
    port: Port = content(answer, "network")["port"]
    return port


def bind_port(session: Session, port_id: str, values: dict[str, Any]) -> None:
    """Change a port of a server's; one that is gone, by its user or with a wish that was refused, is right too."""
    answer = ask(session, "PUT", "network", f"/v2.0/ports/{quote(port_id, safe='')}", json={"port": values})
    if answer.status != 404:
        content(answer, "network")


def release_port(session: Session, port_id: str) -> None:
    """Let go of a port that was there before its server; one that is gone is right too."""
    bind_port(session, port_id, {"device_id": "", "device_owner": "", "binding:host_id": ""})


def delete_port(session: Session, port_id: str) -> None:
    answer = ask(session, "DELETE", "network", f"/v2.0/ports/{quote(port_id, safe='')}")
    if answer.status != 404:
        content(answer, "network")


def networks(session: Session, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """`{id: {"id", "name", "mtu"}}`, one call."""
    return _by_id(session, "networks", ids, ("id", "name", "mtu"))


def subnets(session: Session, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Subnets as Network shows them, by id, one call."""
    return _by_id(session, "subnets", ids, ())


def security_groups(session: Session, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """`{id: {"id", "name"}}`, one call."""
    return _by_id(session, "security-groups", ids, ("id", "name"))


def floating_ips(session: Session, port_ids: Iterable[str]) -> list[dict[str, Any]]:
    """Those that lead to any of these ports, one call."""
    query = urlencode([("port_id", one) for one in sorted(set(port_ids))])
    found: list[dict[str, Any]] = content(ask(session, "GET", "network", f"/v2.0/floatingips?{query}"), "network")[
        "floatingips"
    ]
    return found


def _by_id(session: Session, noun: str, ids: Iterable[str], fields: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    query = urlencode([("id", one) for one in wanted] + [("fields", field) for field in fields])
    found = content(ask(session, "GET", "network", f"/v2.0/{noun}?{query}"), "network")
    return {one["id"]: one for one in found[noun.replace("-", "_")]}


def security_group_ids(session: Session, project_id: str, wanted: list[str]) -> list[str]:
    """Ids of a project's security groups, which are asked for by name or id. Raises GiveUp for an unknown one."""
    path = f"/v2.0/security-groups?project_id={quote(project_id, safe='')}&fields=id&fields=name"
    groups = content(ask(session, "GET", "network", path), "network")["security_groups"]
    by_name = {group["name"]: group["id"] for group in groups} | {group["id"]: group["id"] for group in groups}
    missing = [name for name in wanted if name not in by_name]
    if missing:
        raise GiveUp(f"Security group {missing[0]} not found.")
    return [by_name[name] for name in wanted]
