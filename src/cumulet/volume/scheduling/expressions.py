"""`filter_function` and `goodness_function` of back ends: arithmetic over a pool's facts and a volume's wish.

The grammar is that of the drivers' documentation: numbers, `+ - * / ^`, comparisons, `and or not`, `a ? b : c`,
`min(a, b) max(a, b) abs(a)`, and variables `capabilities.x`, `stats.x`, `volume.size`, `extra.x`.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from cumulet.volume.domain.pools import Pool
from cumulet.volume.service import Volume

if TYPE_CHECKING:
    from cumulet.volume.scheduling.choice import Wish

LOG = logging.getLogger(__name__)
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<text>"[^"]*"|'[^']*')|(?P<name>[A-Za-z_][\w.]*)"""
    r"""|(?P<sign>==|!=|<>|<=|>=|&&|\|\||[-+*/^()<>?:,!&|]))"""
)
_LONGEST: Final = 2000


class BadExpression(ValueError):
    """It cannot be read, or has no value for this pool."""


def driver_filter(volume: Volume, pool: Pool, wish: Wish) -> bool:
    text = pool.facts.get("filter_function")
    if not text:
        return True
    try:
        return bool(evaluate(str(text), _variables(pool, wish)))
    except BadExpression as error:
        LOG.warning("the filter_function of %s: %s", pool.name, error)
        return False


def goodness(volume: Volume, pool: Pool, wish: Wish) -> float:
    """0 to 100; what has none, or a broken one, is 0."""
    text = pool.facts.get("goodness_function")
    if not text:
        return 0.0
    try:
        value = evaluate(str(text), _variables(pool, wish))
    except BadExpression as error:
        LOG.warning("the goodness_function of %s: %s", pool.name, error)
        return 0.0
    if isinstance(value, bool):
        return 100.0 if value else 0.0
    return float(value) if isinstance(value, int | float) and 0 <= value <= 100 else 0.0


def _variables(pool: Pool, wish: Wish) -> dict[str, Any]:
    from cumulet.volume.scheduling.filters import shown_capabilities

    facts = shown_capabilities(pool)
    return {
        "capabilities": facts,
        "stats": facts | {"host": pool.name},
        "volume": {"size": wish.size_gb},
        "extra": wish.specs,
        "qos": {},
    }


def evaluate(text: str, variables: dict[str, Any]) -> Any:
    """Raises BadExpression."""
    if len(text) > _LONGEST:
        raise BadExpression("it is too long")
    reader = _Reader(_tokens(text), variables)
    try:
        value = reader.choice()
    except (TypeError, ValueError, ZeroDivisionError, OverflowError, RecursionError) as error:
        raise BadExpression(str(error)) from None
    if reader.peek() is not None:
        raise BadExpression(f"what is {reader.peek()!r} doing there?")
    return value


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.end() == at:
            raise BadExpression(f"{text[at : at + 20]!r} is nothing that could be meant")
        found.append((str(match.lastgroup), match[match.lastgroup or 0]))
        at = match.end()
    return found


_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {"min": min, "max": max, "abs": abs}


class _Reader:
    """Recursive descent, each level one precedence."""

    def __init__(self, tokens: list[tuple[str, str]], variables: dict[str, Any]) -> None:
        self._tokens = tokens
        self._variables = variables
        self._at = 0

    def peek(self) -> str | None:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else None

    def _take(self, *wanted: str) -> str | None:
        if self.peek() in wanted:
            self._at += 1
            return self._tokens[self._at - 1][1]
        return None

    def _need(self, sign: str) -> None:
        if self._take(sign) is None:
            raise BadExpression(f"{sign!r} is missing")

    def choice(self) -> Any:
        condition = self._either()
        if self._take("?") is None:
            return condition
        yes = self.choice()
        self._need(":")
        no = self.choice()
        return yes if condition else no

    def _either(self) -> Any:
        value = self._both()
        while self._take("or", "|", "||"):
            other = self._both()
            value = bool(value) or bool(other)
        return value

    def _both(self) -> Any:
        value = self._not()
        while self._take("and", "&", "&&"):
            other = self._not()
            value = bool(value) and bool(other)
        return value

    def _not(self) -> Any:
        if self._take("not", "!"):
            return not self._not()
        return self._comparison()

    def _comparison(self) -> Any:
        value = self._sum()
        while sign := self._take(*_COMPARE):
            value = _COMPARE[sign](value, self._sum())
        return value

    def _sum(self) -> Any:
        value = self._product()
        while sign := self._take("+", "-"):
            other = self._product()
            value = value + other if sign == "+" else value - other
        return value

    def _product(self) -> Any:
        value = self._power()
        while sign := self._take("*", "/"):
            other = self._power()
            value = value * other if sign == "*" else value / other
        return value

    def _power(self) -> Any:
        value = self._unary()
        return math.pow(value, self._power()) if self._take("^") else value

    def _unary(self) -> Any:
        if self._take("-"):
            return -self._unary()
        if self._take("+"):
            return self._unary()
        return self._atom()

    def _atom(self) -> Any:
        if self._take("("):
            value = self.choice()
            self._need(")")
            return value
        if self._at >= len(self._tokens):
            raise BadExpression("it ends too early")
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "text":
            return text[1:-1]
        if kind == "name":
            return self._call(text) if text in _FUNCTIONS else self._variable(text)
        raise BadExpression(f"what is {text!r} doing there?")

    def _call(self, name: str) -> Any:
        self._need("(")
        arguments = [self.choice()]
        while self._take(","):
            arguments.append(self.choice())
        self._need(")")
        return _FUNCTIONS[name](*arguments)

    def _variable(self, name: str) -> Any:
        value: Any = self._variables
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                raise BadExpression(f"there is no {name}")
            value = value[part]
        return _number(value)


def _number(value: Any) -> Any:
    """Texts of numbers count as numbers."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value
