"""Domains, projects, users and groups for tests, made through the API."""

from __future__ import annotations

from typing import Any

from cumulet.kernel.ids import hex_id
from tests.identity.conftest import Caller


def make(client: Caller, kind: str, **fields: Any) -> dict[str, Any]:
    """A new thing under a name of its own: `make(client, "user", domain_id=…)["id"]`."""
    made = client.post(f"/v3/{kind}s", {kind: {"name": hex_id(), **fields}})
    assert made.status == 201, made.body
    shown: dict[str, Any] = made.json()[kind]
    return shown


def grant(client: Caller, role_id: str, actor: str, target: str, *, inherited: bool = False) -> None:
    """`grant(client, role, "users/<id>", "projects/<id>")`"""
    prefix, suffix = ("/v3/OS-INHERIT", "/inherited_to_projects") if inherited else ("/v3", "")
    given = client.put(f"{prefix}/{target}/{actor}/roles/{role_id}{suffix}")
    assert given.status == 204, given.body
