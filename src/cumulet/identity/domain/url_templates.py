"""Endpoint URLs with places to fill in: `http://host:8776/v3/$(project_id)s` or `…/%(tenant_id)s`.

Only the names below are ever filled in, and nothing but whole `%(name)s` places is understood, so that a URL cannot
reach into anything else as Python's own formatting would let it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

NAMES = frozenset({"tenant_id", "project_id", "user_id", "compute_host", "public_endpoint"})
_PLACE = re.compile(r"[%$]\(([^()%$]*)\)s|%%")
Template = tuple[tuple[str, str | None], ...]
"""Pieces of (literal text, name to fill in after it)."""


def parse(url: str) -> Template:
    """Raises ValueError for a place that is not closed or a name that is not known."""
    pieces: list[tuple[str, str | None]] = []
    literal, end = "", 0
    for match in _PLACE.finditer(url):
        literal += _plain(url[end : match.start()])
        end = match.end()
        if match[0] == "%%":
            literal += "%"
            continue
        if match[1] not in NAMES:
            raise ValueError(f"unknown name {match[1]!r}")
        pieces.append((literal, match[1]))
        literal = ""
    return (*pieces, (literal + _plain(url[end:]), None))


def _plain(text: str) -> str:
    if "%" in text or "$(" in text:
        raise ValueError(f"incomplete place in {text!r}")
    return text


def fill(template: Template, values: Mapping[str, str]) -> str | None:
    """The URL, or None when a value it needs is missing."""
    if len(template) == 1:
        return template[0][0]
    parts: list[str] = []
    for literal, name in template:
        parts.append(literal)
        if name is not None:
            value = values.get(name)
            if value is None:
                return None
            parts.append(value)
    return "".join(parts)
