"""Every answer of the tests, held against the published specification of the Image API (`tests/reference`).

Where the specification and Glance differ Glance is right; `DIFFERENCES` lists these places, each with its reason. The
specification's status codes are left alone: they were guessed from the methods (201 for every POST).
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from cumulet.kernel.client import Response

SPECIFICATION = Path(__file__).parent.parent / "reference" / "image-v2.yaml"
DIFFERENCES = {
    r"GET /v2/schemas/": "schemas themselves, described as a text",
    r"GET /v2/info/usage \$\.usage": "an object by names of limits, not a list",
    r"GET /v2/images/\{image_id\}/tasks \$\.tasks\[N\]: .*'deleted'": "the row as it is in the database",
    r"GET /v2/info/stores(/detail)? \$\.stores\[N\]\.default": "a text, as all of a store's attributes there",
    r"POST /v2/metadefs/namespaces/\{namespace_name\}/tags \$:": "several tags at once, described as if it were one",
}


@cache
def specification() -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loaded: dict[str, Any] = yaml.load(SPECIFICATION.read_bytes(), Loader=loader)
    return loaded


@cache
def _paths() -> list[tuple[re.Pattern[str], str]]:
    """Patterns of all paths; those with fewer variables first."""
    found = sorted(specification()["paths"], key=lambda path: (path.count("{"), path))
    return [(re.compile(re.sub(r"\\\{[^/]*\\\}", "[^/]+", re.escape(path))), path) for path in found]


@cache
def _validators(method: str, path: str) -> dict[str, Any] | None:
    """By status; None for an operation that is not described."""
    operation = specification()["paths"][path].get(method.lower())
    if operation is None:
        return None
    made: dict[str, Any] = {}
    for status, answer in operation["responses"].items():
        schema = answer.get("content", {}).get("application/json", {}).get("schema")
        if schema is not None:
            rooted = {**schema, "components": specification()["components"]}
            made[status] = jsonschema.Draft202012Validator(rooted)
    return made


def problems(method: str, path: str, answer: Response) -> list[str]:
    """What is wrong with an answer."""
    if answer.status >= 300 or "json" not in answer.headers.get("content-type", ""):
        return []
    path = path.partition("?")[0]
    described = next((name for pattern, name in _paths() if pattern.fullmatch(path)), None)
    if described is None:
        return []
    validators = _validators(method, described)
    if not validators:
        return []
    validator = next(iter(validators.values()))
    operation = f"{method} {described}"
    found = []
    for error in validator.iter_errors(answer.json()):
        problem = f"{operation} {re.sub(r'[0-9]+', 'N', error.json_path)}: {error.message}"
        if not any(re.match(pattern, problem) for pattern in DIFFERENCES):
            found.append(problem)
    return found
