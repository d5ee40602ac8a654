"""Bodies of `/v3/domains/{domain_id}/config` (Identity API v3, Domain configuration)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field


class ConfigBody(Struct):
    config: dict[str, Any] = field(default_factory=dict)
