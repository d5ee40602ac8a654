"""Keystone: tokens and users."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.clouds.target import NAME, Case, Target
from benchmarks.load import Request


@contextmanager
def identity(cloud: Target, rows: int) -> Iterator[list[Case]]:
    tokens, users = f"{cloud.auth_url}/auth/tokens", f"{cloud.auth_url}/users"
    prefix = f"{NAME}-{uuid.uuid4().hex[:8]}"
    again = {"identity": {"methods": ["token"], "token": {"id": cloud.token}}}
    user = {"id": cloud.user_id, "password": cloud.password}
    login = {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"id": cloud.project}},
    }
    try:
        made = cloud.create(users, "user", ({"name": f"{prefix}-{number}"} for number in range(rows)))
        create = json.dumps({"user": {"name": f"{prefix}-{{n}}"}})
        yield [
            Case("validate a token", Request("GET", tokens, headers=(("X-Subject-Token", cloud.token),))),
            Case("token from a token", Request("POST", tokens, json.dumps({"auth": again}))),
            Case("log in with a password, again", Request("POST", tokens, json.dumps({"auth": login}))),
            Case("show a user", Request("GET", f"{users}/{made[0]}")),
            Case(f"list {rows} users", Request("GET", f"{users}?name__startswith={prefix}")),
            Case("create a user", Request("POST", users, create)),
            Case("delete a user", once=lambda: cloud.delete(users, made)),
        ]
    finally:
        cloud.begin_cleaning()
        cloud.clear(f"{users}?name__startswith={prefix}", "users", users)
