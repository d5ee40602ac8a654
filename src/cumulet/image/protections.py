"""Property protections: who may create, read, update and delete which properties ([DEFAULT] property_protection_file).

The file is an INI file: a section a regular expression of property names, in it `create`, `read`, `update` and `delete`
with roles (or, by `property_protection_rule_format = policies`, one policy rule); `@` is everybody and `!` nobody. The
first section that fits a name decides; a name that fits none is nobody's.
"""

from __future__ import annotations

import configparser
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cumulet.kernel.context import Context
from cumulet.kernel.policy import Policy

Operation = Literal["create", "read", "update", "delete"]
_OPERATIONS: tuple[Operation, ...] = ("create", "read", "update", "delete")
RESERVED = "os_glance"


class ProtectionError(Exception):
    """The file cannot be read as it must; the message names the section."""


@dataclass(frozen=True)
class _Rule:
    names: re.Pattern[str]
    allowed: dict[str, tuple[str, ...]]


class PropertyProtections:
    def __init__(self, text: str, *, by_policy: bool, policy: Policy) -> None:
        """Raises ProtectionError."""
        self._by_policy = by_policy
        self._policy = policy
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(text)
            self._rules = [self._rule(parser, section) for section in parser.sections()]
        except (configparser.Error, re.error) as error:
            raise ProtectionError(f"property_protection_file: {error}") from error

    @classmethod
    def load(cls, path: Path, *, by_policy: bool, policy: Policy) -> PropertyProtections:
        try:
            return cls(path.read_text(), by_policy=by_policy, policy=policy)
        except OSError as error:
            raise ProtectionError(f"property_protection_file: {error}") from error

    def _rule(self, parser: configparser.ConfigParser, section: str) -> _Rule:
        allowed: dict[str, tuple[str, ...]] = {}
        for operation in _OPERATIONS:
            if not parser.has_option(section, operation):
                raise ProtectionError(f"property_protection_file: [{section}] has no {operation}")
            words = tuple(word.strip() for word in parser.get(section, operation).split(",") if word.strip())
            if "@" in words and "!" in words:
                raise ProtectionError(f"property_protection_file: [{section}] {operation} has both @ and !")
            if self._by_policy and len(words) > 1:
                raise ProtectionError(f"property_protection_file: [{section}] {operation} names several policies")
            allowed[operation] = words
        return _Rule(re.compile(section), allowed)

    def allow(self, ctx: Context, name: str, operation: Operation) -> bool:
        """The service's own properties are outside of this: nobody changes them, everybody reads them."""
        if name.startswith(RESERVED):
            return True
        rule = next((rule for rule in self._rules if rule.names.search(name)), None)
        if rule is None:
            return False
        words = rule.allowed[operation]
        if "!" in words:
            return False
        if "@" in words:
            return True
        if self._by_policy:
            return any(self._policy.allows(ctx, word) for word in words)
        roles = {role.lower() for role in (*ctx.roles, *ctx.service_roles)}
        return any(word.lower() in roles for word in words)

    def readable(self, ctx: Context, properties: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in properties.items() if self.allow(ctx, name, "read")}
