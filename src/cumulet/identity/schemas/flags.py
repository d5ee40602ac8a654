"""Yes and no, in all the words that the Identity API takes for them."""

from __future__ import annotations

from typing import Literal

FlagText = Literal[
    "True", "TRUE", "true", "False", "FALSE", "false", "", "1", "0",
    "y", "Y", "n", "N", "on", "ON", "off", "OFF", "yes", "no",
]  # fmt: skip
Flag = bool | FlagText
_NO = frozenset({"false", "0", "n", "off", "no"})


def truth(value: bool | str) -> bool:
    """An empty text means yes: `?enabled` asks for what is enabled."""
    return value if isinstance(value, bool) else value.lower() not in _NO
