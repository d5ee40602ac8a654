"""The published specification of the Block Storage API (`tests/reference`), without the copies of its paths that begin
with a project's id."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

SPECIFICATION = Path(__file__).parent.parent / "reference" / "block-storage-v3.yaml"
METHODS = ("get", "post", "put", "delete")


@cache
def specification() -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loaded: dict[str, Any] = yaml.load(SPECIFICATION.read_bytes(), Loader=loader)
    return loaded


def operations() -> list[tuple[str, str]]:
    """(method, path) of everything that is described."""
    return [
        (method, path)
        for path, described in specification()["paths"].items()
        for method in METHODS
        if method in described and not path.startswith(("/v3/{project_id}", "/v3/{admin_project_id}"))
    ]


def resolved(part: Any) -> Any:
    """A copy with every `$ref` replaced by what it means; the specification has no circles."""
    if isinstance(part, dict):
        if "$ref" in part:
            found: Any = specification()
            for step in part["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            return resolved(found)
        return {key: resolved(value) for key, value in part.items()}
    return [resolved(each) for each in part] if isinstance(part, list) else part


@cache
def described(method: str, path: str) -> dict[str, Any]:
    """An operation without `$ref`s."""
    found: dict[str, Any] = resolved(specification()["paths"][path][method])
    return found
