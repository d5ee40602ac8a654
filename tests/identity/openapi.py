"""Every request and answer of Identity's tests, held against the published specification of the Identity API.

`CheckedClient` is a `Client` that raises AssertionError for an answer that is not as `tests/reference/identity-v3.yaml`
says, and for a request that is not and was accepted all the same. Where the specification and Keystone differ Keystone
is right; `openapi_differences` lists these places, each with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import jsonschema

from cumulet.kernel.client import Response
from tests.identity.openapi_differences import DIFFERENCES, Difference
from tests.specification import Specification
from tests.support import Client

_FORM = "application/x-www-form-urlencoded"  # what OAuth 1.0a answers with: not JSON, and not described
SPECIFICATION = Specification("identity-v3.yaml")
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "title"],
            "properties": {
                "code": {"type": "integer"},
                "message": {"type": "string", "minLength": 1},
                "title": {"type": "string", "minLength": 1},
            },
        }
    },
}


class Operation:
    """One operation of the specification, with the differences put in."""

    def __init__(self, method: str, path: str) -> None:
        self.method = method
        self.path = path
        self.name = f"{method} {path}"
        described = SPECIFICATION.described(method.lower(), path)
        self.statuses = [int(status) for status in described["responses"] if status.startswith("2")]
        success = next((described["responses"][str(status)] for status in self.statuses), {})
        schemas = {
            "request": _json_schema(described.get("requestBody") or {}),
            "response": _json_schema(success),
            "query": {
                each["name"]: each["schema"] for each in described.get("parameters", ()) if each["in"] == "query"
            },
        }
        for difference in DIFFERENCES:
            if difference.means(self.name):
                self._apply(difference, schemas)
        self.query: dict[str, Any] = schemas["query"]
        self._request = _validator(schemas["request"])
        self._response = _validator(schemas["response"])

    def _apply(self, difference: Difference, schemas: dict[str, Any]) -> None:
        if difference.what == "status":
            wanted = difference.instead
            self.statuses = list(wanted) if isinstance(wanted, tuple) else [wanted]
            return
        *way, last = difference.what.split("/")
        place: Any = schemas
        for step in way:
            place = (place or {}).get(step)
        if place and last in place:
            place[last] = difference.instead

    def problems_of_request(self, query_string: str, body: Any) -> Iterator[str]:
        for key, value in parse_qsl(query_string, keep_blank_values=True):
            schema = self.query.get(key)
            for error in _validator(schema).iter_errors(value) if schema else ():
                yield f"query {key}={value}: {error.message}"
        if body is not None:
            yield from (f"request {error.json_path}: {error.message}" for error in self._request.iter_errors(body))

    def problems_of_answer(self, answer: Response) -> Iterator[str]:
        if answer.status >= 400:
            yield from problems_of_error(self.method, answer)
            return
        if answer.status not in self.statuses:
            yield f"status {answer.status}, and not one of {self.statuses}"
        if self.method == "HEAD" or answer.status == 204:
            if answer.body:
                yield "a body where there is to be none"
        elif answer.body and answer.headers.get("content-type") != _FORM:
            yield from (
                f"answer {error.json_path}: {error.message}" for error in self._response.iter_errors(answer.json())
            )


def problems_of_error(method: str, answer: Response) -> Iterator[str]:
    if method == "HEAD":
        return
    for error in _validator(_ERROR).iter_errors(answer.json()):
        yield f"error {error.json_path}: {error.message}"
    if answer.json()["error"]["code"] != answer.status:
        yield "the error's code is not the status"


def _json_schema(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = content.get("content", {}).get("application/json", {}).get("schema", {})
    return found


def _validator(schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema)


@cache
def _operation(method: str, template: str) -> Operation:
    return Operation(method, template)


def operation(method: str, path: str) -> Operation | None:
    """What the specification says of a request; None if it does not know it."""
    template = SPECIFICATION.template(method.lower(), path)
    return _operation(method, template) if template is not None else None


class CheckedClient(Client):
    """A client whose every request and answer is held against the specification."""

    def request(self, method: str, path: str, **rest: Any) -> Response:
        answer = super().request(method, path, **rest)
        assert answer.status < 500, f"{method} {path} answered {answer.status}: {answer.body!r}"
        plain, _, query = path.partition("?")
        described = operation(method, plain)
        if described is not None:
            problems = list(described.problems_of_answer(answer))
            if answer.status < 300:
                problems += described.problems_of_request(query, rest.get("json"))
            assert not problems, f"{method} {path} is not as the specification says: {problems}"
        return answer
