"""What tempest.conf must know of a running cloud: the values of the template's @NAMES@."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.system.cloud import Cloud, request

SERVICES = ("compute", "image", "network", "volume", "object_store", "placement")


def of(cloud: Cloud, workspace: Path, files_port: int) -> dict[str, str]:
    """Only what there is: a service that the cloud has not got leaves its names out."""
    endpoints = {service["name"]: service["endpoint"] for service in cloud.status()["services"]}
    known = {f"HAS_{name.upper()}": str(name in endpoints).lower() for name in SERVICES}
    known |= {
        "WS": str(workspace),
        "AUTH_URL": f"{endpoints['identity']}/v3",
        "ADMIN_USER": "admin",
        "ADMIN_PROJECT": "admin",
        "ADMIN_PASSWORD": json.loads((cloud.directory / "keys" / "passwords.json").read_text())["admin"],
        "FILES_PORT": str(files_port),
        "RUN_VALIDATION": "false",
    }
    if "placement" in endpoints:
        known["PLACEMENT_MAX_MV"] = _json("GET", endpoints["placement"])["versions"][0]["max_version"]
    return known


def _json(method: str, url: str, **rest: Any) -> Any:
    answer = request(method, url, **rest)
    assert answer.status < 300, f"{method} {url}: {answer.status} {answer.data!r}"
    return json.loads(answer.data)
