"""The published specifications of the APIs (`tests/reference`), as tests that hold answers against them need them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jsonschema
import yaml

_REFERENCE = Path(__file__).parent / "reference"
METHODS = ("get", "head", "post", "put", "patch", "delete")


class Specification:
    """One OpenAPI document, read when it is first asked for. `name`: its file in `tests/reference`."""

    def __init__(self, name: str) -> None:
        self._file = _REFERENCE / name

    @cached_property
    def document(self) -> dict[str, Any]:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the fast one, where libyaml is there
        loaded: dict[str, Any] = yaml.load(self._file.read_bytes(), Loader=loader)
        return loaded

    @property
    def paths(self) -> dict[str, Any]:
        """By path, what is said of it by method in small letters."""
        found: dict[str, Any] = self.document["paths"]
        return found

    def operations(self) -> list[tuple[str, str]]:
        """(method, path) of everything that is described."""
        return [(method, path) for path, described in self.paths.items() for method in METHODS if method in described]

    def described(self, method: str, path: str) -> dict[str, Any]:
        """A copy of an operation with every `$ref` replaced by what it means."""
        found: dict[str, Any] = self._resolved(self.paths[path][method])
        return found

    def template(self, method: str, path: str) -> str | None:
        """The path of the specification that a request's path is one of; None if it does not know the operation."""
        for pattern, template in self._patterns:
            if method in self.paths[template] and pattern.fullmatch(path):
                return template
        return None

    def problems(self, method: str, path: str, document: Any, known: Mapping[str, str]) -> list[str]:
        """Where the document of a success is not as described. What matches a pattern of `known` is left out: there the
        original is right, for the reason that stands beside it."""
        template = self.template(method, path)
        validator = self._validator(method, template) if template is not None else None
        found = [
            f"{method.upper()} {template} {re.sub(r'[0-9]+', 'N', error.json_path)}: {error.message}"
            for error in (validator.iter_errors(document) if validator is not None else ())
        ]
        return [problem for problem in found if not any(re.match(pattern, problem) for pattern in known)]

    @cache  # noqa: B019 - there is one of these objects a specification, for as long as the tests run
    def _validator(self, method: str, template: str) -> jsonschema.Draft202012Validator | None:
        """None where nothing is said of a success."""
        for status, answer in self.described(method, template)["responses"].items():
            schema = answer.get("content", {}).get("application/json", {}).get("schema")
            if status.startswith("2") and schema:
                return jsonschema.Draft202012Validator(schema)
        return None

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], str]]:
        """Those with the fewest variables first: `/v3/domains/config/default` is not a domain's configuration."""
        templates = sorted(self.paths, key=lambda path: (path.count("{"), path))
        return [(re.compile(re.sub(r"\\\{[^/]*?\\\}", "[^/]+", re.escape(path))), path) for path in templates]

    def _resolved(self, part: Any) -> Any:
        """The specifications have no circles."""
        if isinstance(part, dict):
            if "$ref" in part:
                found: Any = self.document
                for step in part["$ref"].removeprefix("#/").split("/"):
                    found = found[step]
                return self._resolved(found)
            return {key: self._resolved(value) for key, value in part.items()}
        return [self._resolved(each) for each in part] if isinstance(part, list) else part
