"""Short names for the nftables JSON expressions that the agent's rules are made of (libnftables-json(5))."""

from __future__ import annotations

from typing import Any

from cumulet.agents.network.nft.model import Expression

ACCEPT: Expression = {"accept": None}
DROP: Expression = {"drop": None}
RETURN: Expression = {"return": None}


def meta(key: str) -> Expression:
    return {"meta": {"key": key}}


def field(protocol: str, name: str) -> Expression:
    """A header's field; `th` is the transport header of any protocol that begins with ports."""
    return {"payload": {"protocol": protocol, "field": name}}


def raw(base: str, offset: int, length: int) -> Expression:
    """`length` bits from bit `offset` of a header; what it is compared with is a hexadecimal string."""
    return {"payload": {"base": base, "offset": offset, "len": length}}


def ct(key: str) -> Expression:
    return {"ct": {"key": key}}


def concat(*parts: Expression) -> Expression:
    return {"concat": list(parts)}


def match(left: Any, right: Any, op: str = "==") -> Expression:
    return {"match": {"op": op, "left": left, "right": right}}


def bits(left: Expression, mask: str, right: str, op: str = "==") -> Expression:
    return match({"&": [left, mask]}, right, op)


def among(*values: Any) -> Expression:
    """An anonymous set."""
    return {"set": list(values)}


def span(first: Any, last: Any) -> Expression:
    return {"range": [first, last]}


def vmap(key: Expression, name: str) -> Expression:
    """The verdict that the named verdict map has for the key; without one the next rule follows."""
    return {"vmap": {"key": key, "data": f"@{name}"}}


def mapped(key: Expression, name: str) -> Expression:
    return {"map": {"key": key, "data": f"@{name}"}}


def assign(key: Expression, value: Any) -> Expression:
    return {"mangle": {"key": key, "value": value}}


def jump(chain: str) -> Expression:
    return {"jump": {"target": chain}}


def goto(chain: str) -> Expression:
    return {"goto": {"target": chain}}


def counter(name: str) -> Expression:
    return {"counter": name}


def state(*states: str) -> Expression:
    return match(ct("state"), list(states) if len(states) > 1 else states[0], "in")
