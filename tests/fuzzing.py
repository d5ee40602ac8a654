"""Requests made from the published specification: mostly as it says, with something wrong here and there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

Schema = dict[str, Any]
METHODS = ("get", "head", "post", "put", "patch", "delete")

ODD_TEXT = st.sampled_from(
    [
        "",
        " ",
        "\0",
        "null",
        "0",
        "-1",
        "true",
        "%s%n",
        "$(project_id)s",
        "%(user_id)s",
        "..",
        "../../etc/passwd",
        "' OR 1=1; --",
        "\u202etxt\U0001f4a3",
        "ß" * 64,
        "x" * 65,
        "x" * 256,
        "x" * 20_000,
        "2100-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999+14:00",
    ]
)
TEXT = st.text(max_size=12) | ODD_TEXT
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**31, 2**63, 2**64, -(2**63) - 1, 10**30, 1e308, -0.0, 0.5])
    | TEXT
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)
SIMPLE = st.none() | st.booleans() | st.integers(-100, 100) | st.text("abc", max_size=5)
BROKEN_QUERIES = ["%ff=1", "%00", "a=%00", "&&==&", "limit=-1", "limit=x&marker=y", "name=a&name=b", "?", "a" * 9000]
BROKEN_BODIES = st.sampled_from(
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"a": "\\ud800"}',
        b'{"a": 1e999}',
        b'{"a": ' + b"[" * 2000 + b"]" * 2000 + b"}",
        b'{"a": "' + b"x" * 200_000 + b'"}',
        b"[]",
        b"null",
        b'"text"',
        b'{"a": NaN}',
    ]
)


def mostly(right: st.SearchStrategy[Any], wrong: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 7).flatmap(lambda number: wrong if number == 0 else right)


class Values:
    """Values as a schema describes them; with `odd` now and then not.

    `ids`: for a name (`user_id`) the id of one that there is, tried wherever such a name stands.
    """

    def __init__(self, ids: Mapping[str, str], *, odd: bool) -> None:
        self._ids = ids
        self._odd = odd
        self._known = st.sampled_from(sorted(set(ids.values())))

    def of(self, schema: Schema | bool | None, name: str = "") -> st.SearchStrategy[Any]:
        if not isinstance(schema, dict) or not schema:
            return JSON if self._odd else SIMPLE
        right = self._right(schema, name)
        return mostly(right, JSON) if self._odd else right

    def _right(self, schema: Schema, name: str) -> st.SearchStrategy[Any]:
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        for several in ("oneOf", "anyOf", "allOf"):
            if several in schema and "properties" not in schema and "type" not in schema:
                return st.one_of(*(self.of(each, name) for each in schema[several]))
        kinds = schema.get("type", "object" if "properties" in schema else None)
        return st.one_of(
            *(self._of_type(kind, schema, name) for kind in (kinds if isinstance(kinds, list) else [kinds]))
        )

    def _of_type(self, kind: str | None, schema: Schema, name: str) -> st.SearchStrategy[Any]:
        if kind == "object":
            return self._object(schema)
        if kind == "array":
            return st.lists(self.of(schema.get("items"), name), min_size=schema.get("minItems", 0), max_size=2)
        if kind == "string":
            return self._text(schema, name)
        if kind == "integer":
            low, high = int(schema.get("minimum", -1)), int(schema.get("maximum", 100))
            return st.integers(low, max(low, high))
        simple = {"boolean": st.booleans(), "null": st.none(), "number": st.floats(-1e9, 1e9)}
        return simple.get(kind or "", JSON if self._odd else SIMPLE)

    def _text(self, schema: Schema, name: str) -> st.SearchStrategy[str]:
        if name in self._ids and not self._odd:
            return st.just(self._ids[name])
        low, high = schema.get("minLength", 0), min(schema.get("maxLength", 30), 300)
        if "pattern" in schema:
            right = st.from_regex(schema["pattern"]).map(lambda text: text[:high]).filter(lambda text: len(text) >= low)
        elif schema.get("format") == "uuid":
            right = self._known
        else:
            right = st.text(min_size=low, max_size=max(low, high))
        return right | self._known | TEXT if self._odd else right

    def _object(self, schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
        properties: dict[str, Any] = schema.get("properties") or {}
        required = set(schema.get("required", ()))
        fields = {name: self.of(each, name) for name, each in properties.items()}
        # What is in a body is wrapped in one object with the noun's name, which the specification does not require.
        required |= set(fields) if len(fields) == 1 else set()
        right = st.fixed_dictionaries(
            {name: fields[name] for name in fields if name in required},
            optional={name: fields[name] for name in fields if name not in required},
        )
        if not self._odd:
            return right
        return right | st.builds(lambda one, two: {**two, **one}, right, st.dictionaries(TEXT, JSON, max_size=2))


_TEXTS = {"type": "string"}
UNDESCRIBED: dict[str, Schema] = {
    # Bodies of which the specification only says that there is one.
    "/v3/OS-OAUTH1/consumers": {"consumer": {"description": _TEXTS}},
    "/v3/OS-OAUTH1/consumers/{consumer_id}": {"consumer": {"description": _TEXTS}},
    "/v3/OS-OAUTH1/authorize/{request_token_id}": {"roles": [{"id": _TEXTS}]},
    "/v3/OS-OAUTH2/token": {"grant_type": _TEXTS},
    "/v3/ec2tokens": {"credentials": {"access": _TEXTS, "signature": _TEXTS, "host": _TEXTS, "verb": _TEXTS}},
    "/v3/s3tokens": {"credentials": {"access": _TEXTS, "signature": _TEXTS, "token": _TEXTS}},
    "/v3/policies": {"policy": {"blob": _TEXTS, "type": _TEXTS}},
    "/v3/policies/{policy_id}": {"policy": {"blob": _TEXTS, "type": _TEXTS}},
    "/v3/users/{user_id}/credentials/OS-EC2": {"tenant_id": _TEXTS},
}


def _schema_of(sketch: Any) -> Schema:
    if sketch is _TEXTS:
        return _TEXTS
    if isinstance(sketch, list):
        return {"type": "array", "items": _schema_of(sketch[0])}
    properties = {name: _schema_of(each) for name, each in sketch.items()}
    return {"type": "object", "properties": properties, "required": list(properties)}


class Requests:
    """Strategies for the requests to one operation of the specification; `described` has no `$ref`s left."""

    def __init__(self, method: str, path: str, described: Schema) -> None:
        self.method = method.upper()
        self.path = path
        parameters = described.get("parameters", ())
        self._query = {each["name"]: each.get("schema") for each in parameters if each["in"] == "query"}
        self._headers = [
            each["name"] for each in parameters if each["in"] == "header" and each["name"] != "X-Auth-Token"
        ]
        content = (described.get("requestBody") or {}).get("content", {})
        sketch = UNDESCRIBED.get(path)
        self._body = content.get("application/json", {}).get("schema") if sketch is None else _schema_of(sketch)
        self._has_body = "requestBody" in described or self.method in ("POST", "PUT", "PATCH")

    def of(self, ids: Mapping[str, str], tokens: list[str]) -> st.SearchStrategy[dict[str, Any]]:
        """Path with query, headers and body; half of them with nothing wrong. `tokens` go into token headers."""
        return self._of(ids, tokens, odd=False) | self._of(ids, tokens, odd=True)

    def _of(self, ids: Mapping[str, str], tokens: list[str], *, odd: bool) -> st.SearchStrategy[dict[str, Any]]:
        values = Values(ids, odd=odd)
        fields: dict[str, st.SearchStrategy[Any]] = {
            "path": st.builds(_joined, self._paths(ids, odd), self._queries(values, odd)),
            "headers": self._header_values(tokens, odd),
        }
        if self._has_body:
            body = values.of(self._body).map(_encoded)
            fields["data"] = mostly(body, BROKEN_BODIES) if odd else body
        return st.fixed_dictionaries(fields)

    def _paths(self, ids: Mapping[str, str], odd: bool) -> st.SearchStrategy[str]:
        known = st.sampled_from(sorted(set(ids.values())))
        right = {name: st.just(ids[name]) if name in ids else known for name in re.findall(r"\{(.*?)\}", self.path)}
        given = {name: mostly(value, known | TEXT) if odd else value for name, value in right.items()}

        def fill(chosen: dict[str, str]) -> str:
            return re.sub(r"\{(.*?)\}", lambda match: quote(chosen[match[1]][:300], safe=""), self.path)

        return st.fixed_dictionaries(given).map(fill)

    def _queries(self, values: Values, odd: bool) -> st.SearchStrategy[str]:
        fields = {name: values.of(schema, name).map(_as_text) for name, schema in self._query.items()}
        if not odd:
            return st.fixed_dictionaries({}, optional=fields).map(urlencode)
        inexact = {f"{name}__icontains": TEXT for name in self._query}
        right = st.fixed_dictionaries({}, optional={**fields, **inexact}).map(urlencode)
        return mostly(right, st.sampled_from(BROKEN_QUERIES))

    def _header_values(self, tokens: list[str], odd: bool) -> st.SearchStrategy[dict[str, str]]:
        json_type = st.just("application/json")
        if not odd:
            headers = {name: st.sampled_from(tokens) for name in self._headers}
            return st.fixed_dictionaries({"Content-Type": json_type, **headers})
        others = st.sampled_from(["text/plain", "application/json; x=\xe9", "application/x-www-form-urlencoded"])
        headers = {name: st.sampled_from([*tokens, "bad", "\xe9", "x" * 9000]) for name in self._headers}
        accept = st.sampled_from(["application/json", "text/html", "*/*"])
        return st.fixed_dictionaries(
            {"Content-Type": mostly(json_type, others)}, optional={**headers, "Accept": accept}
        )


def _joined(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
