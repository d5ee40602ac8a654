"""Identifiers as the original makes them."""

from __future__ import annotations

import uuid


def hex_id() -> str:
    """32 hexadecimal digits: Identity's ids."""
    return uuid.uuid4().hex


def uuid_id() -> str:
    """A UUID with hyphens: the ids of every other service."""
    return str(uuid.uuid4())
