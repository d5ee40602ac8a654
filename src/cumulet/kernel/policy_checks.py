"""oslo.policy's checks as plain functions.

oslo.policy inspects each check's signature and parses its literals again at every evaluation; a rule of some parts
costs a quarter of a millisecond that way. Here a rule is taken apart once, and evaluating it costs some microseconds.
What is not one of oslo.policy's own checks is called as it is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

from oslo_policy import _checks, policy

Target = dict[str, Any]
Credentials = dict[str, Any]
Evaluate = Callable[[Target, Credentials], bool]
_ONE_ATTRIBUTE = re.compile(r"%\(([^()]+)\)s")


class Compiled:
    """The rules of one enforcer, each compiled when it is first asked for. Made anew when the rules change."""

    def __init__(self, enforcer: policy.Enforcer) -> None:
        self._enforcer = enforcer
        self._rules: dict[str, Evaluate] = {}

    def rule(self, name: str) -> Evaluate | None:
        """None for a rule that there is not."""
        known = self._rules.get(name)
        if known is None:
            try:
                check = self._enforcer.rules[name]
            except KeyError:
                return None
            known = self._rules[name] = self._compile(check, name)
        return known

    def _compile(self, check: Any, rule: str) -> Evaluate:
        kind = type(check)
        if kind is _checks.TrueCheck:
            return lambda target, credentials: True
        if kind is _checks.FalseCheck:
            return lambda target, credentials: False
        if kind is _checks.NotCheck:
            inner = self._compile(check.rule, rule)
            return lambda target, credentials: not inner(target, credentials)
        if kind is _checks.OrCheck:
            return _any_of([self._compile(part, rule) for part in check.rules])
        if kind is _checks.AndCheck:
            return _all_of([self._compile(part, rule) for part in check.rules])
        if kind is _checks.RuleCheck:
            return self._named(check.match)
        if kind is _checks.RoleCheck:
            return _role(check.match)
        if kind is _checks.GenericCheck:
            return _generic(check.kind, check.match)
        return self._foreign(check, rule)

    def _named(self, name: str) -> Evaluate:
        def evaluate(target: Target, credentials: Credentials) -> bool:
            # Looked up at the time of asking: rules may name each other in any order.
            other = self.rule(name)
            return other is not None and other(target, credentials)

        return evaluate

    def _foreign(self, check: Any, rule: str) -> Evaluate:
        enforcer = self._enforcer
        return lambda target, credentials: bool(_checks._check(check, target, credentials, enforcer, rule))


def _any_of(parts: list[Evaluate]) -> Evaluate:
    def evaluate(target: Target, credentials: Credentials) -> bool:
        for part in parts:  # noqa: SIM110 - a generator costs as much as the checks
            if part(target, credentials):
                return True
        return False

    return evaluate


def _all_of(parts: list[Evaluate]) -> Evaluate:
    def evaluate(target: Target, credentials: Credentials) -> bool:
        for part in parts:  # noqa: SIM110 - a generator costs as much as the checks
            if not part(target, credentials):
                return False
        return True

    return evaluate


def _value(match: str) -> Callable[[Target], str]:
    """What the right side of a check means for a target. Raises KeyError where the target does not have it."""
    whole = _ONE_ATTRIBUTE.fullmatch(match)
    if whole is not None:
        attribute = whole[1]
        return lambda target: str(target[attribute])
    if "%" not in match:
        return lambda target: match
    return lambda target: match % target


def _role(match: str) -> Evaluate:
    value = _value(match)

    def evaluate(target: Target, credentials: Credentials) -> bool:
        try:
            wanted = value(target).lower()
        except KeyError:
            return False
        return any(wanted == role.lower() for role in credentials.get("roles", ()))

    return evaluate


def _generic(kind: str, match: str) -> Evaluate:
    value = _value(match)
    try:
        literal = str(ast.literal_eval(kind))
    except (ValueError, SyntaxError):
        path = kind.split(".")
    else:
        return _literal(literal, value)

    def evaluate(target: Target, credentials: Credentials) -> bool:
        try:
            return _holds(credentials, path, value(target))
        except KeyError:
            return False

    return evaluate


def _literal(literal: str, value: Callable[[Target], str]) -> Evaluate:
    def evaluate(target: Target, credentials: Credentials) -> bool:
        try:
            return value(target) == literal
        except KeyError:
            return False

    return evaluate


def _holds(place: Any, path: list[str], wanted: str) -> bool:
    """Whether the value at the end of the path is `wanted`; in a list any of its elements may be."""
    if not path:
        return bool(wanted == str(place))
    if not isinstance(place, Mapping) or path[0] not in place:
        return False
    inner, rest = place[path[0]], path[1:]
    if isinstance(inner, list):
        return any(_holds(each, rest, wanted) for each in inner)
    return _holds(inner, rest, wanted)
