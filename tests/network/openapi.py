"""Every answer of the tests, held against the published specification of the Networking API (`tests/reference`).

Where the specification and Neutron differ Neutron is right; `DIFFERENCES` lists these places, each with its reason. The
specification's status codes are left alone: they were guessed from the methods.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from cumulet.kernel.client import Response

SPECIFICATION = Path(__file__).parent.parent / "reference" / "network-v2.yaml"
METHODS = ("get", "post", "put", "delete")
DIFFERENCES = {
    r".*: None is not ": "what is not set is null, which the specification nowhere says",
    r".*_port_range: '[0-9]+:[0-9]+' is not of type 'number'": "two numbers, in a text",
    r".*network_segment_ranges?(\[N\])?\.(available|used): .*'string'": "a list; an object of numbers and projects",
    r".*nexthop: .* is valid under each of": "either of two formats, which are not looked at here",
    r".*rules\[N\]\.dscp_mark: .* is not of type 'string'": "a number",
    r"GET /v2.0/qos/rule-types/.*drivers: .*'string'": "objects",
    r"GET /v2.0/service-providers.*default: .*'string'": "a boolean",
    r"GET /v2.0/network-ip-availabilities.*(total|used)_ips: .*'string'": "numbers",
    r"GET /v2.0/network-ip-availabilities.*subnet_ip_availability: .*'string'": "a list",
}
ERROR = {
    "type": "object",
    "required": ["NeutronError"],
    "properties": {
        "NeutronError": {
            "type": "object",
            "required": ["type", "message", "detail"],
            "properties": {
                "type": {"type": "string", "pattern": "^[A-Za-z]+$"},
                "message": {"type": "string", "minLength": 1},
                "detail": {"type": "string"},
            },
            "additionalProperties": False,
        }
    },
    "additionalProperties": False,
}


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
        if method in described
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


@cache
def _paths() -> list[tuple[re.Pattern[str], str]]:
    """Patterns of all paths; those with fewer variables first."""
    found = sorted(specification()["paths"], key=lambda path: (path.count("{"), path))
    return [(re.compile(re.sub(r"\\\{[^/]*\\\}", "[^/]+", re.escape(path))), path) for path in found]


@cache
def _validator(method: str, path: str) -> jsonschema.Draft202012Validator | None:
    """Of an operation's success; None where nothing is said of it."""
    if method not in specification()["paths"][path]:
        return None
    for status, answer in described(method, path)["responses"].items():
        schema = answer.get("content", {}).get("application/json", {}).get("schema")
        if status.startswith("2") and schema:
            return jsonschema.Draft202012Validator(schema)
    return None


def problems(method: str, path: str, answer: Response) -> list[str]:
    """What is wrong with an answer: a failure, an error in another form, a success that is not as described."""
    if answer.status >= 500 and answer.status != 503:  # no segment is left: the original's NoNetworkAvailable
        return [f"{method} {path} answered {answer.status}: {answer.body!r}"]
    if answer.status >= 400:
        wrong = jsonschema.Draft202012Validator(ERROR).iter_errors(answer.json())
        return [f"{method} {path}: {error.message}" for error in wrong]
    if answer.status == 204 or not answer.body:
        return []
    return list(_of_success(method, path.partition("?")[0], answer))


def _of_success(method: str, path: str, answer: Response) -> Iterator[str]:
    template = next((name for pattern, name in _paths() if pattern.fullmatch(path)), None)
    validator = _validator(method.lower(), template) if template else None
    for error in validator.iter_errors(answer.json()) if validator else ():
        problem = f"{method} {template} {re.sub(r'[0-9]+', 'N', error.json_path)}: {error.message}"
        if not any(re.match(pattern, problem) for pattern in DIFFERENCES):
            yield problem
