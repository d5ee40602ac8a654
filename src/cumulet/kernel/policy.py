"""Access rules: oslo.policy's defaults and an operator's policy.yaml, evaluated without touching a file per request."""

from __future__ import annotations

import functools
import re
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from oslo_config import cfg
from oslo_policy import opts as policy_opts
from oslo_policy import policy as oslo_policy

from cumulet.kernel.context import Context
from cumulet.kernel.errors import Forbidden
from cumulet.kernel.policy_checks import Compiled

Rule = oslo_policy.DocumentedRuleDefault | oslo_policy.RuleDefault
_RELOAD_SECONDS = 1.0
_ATTRIBUTE = re.compile(r"%\(([^)]+)\)s")
_NAMED_RULE = re.compile(r"rule:([^\s()]+)")


class Policy:
    """One service's rules. `can` raises Forbidden, `allows` answers; both are pure and safe in threads.

    A policy.yaml that changes on disk is read again within a second.
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        rules: Iterable[Rule],
        *,
        config_dir: Path | None = None,
        refusal: str = "Policy doesn't allow {rule} to be performed.",
    ) -> None:
        self._refusal = refusal
        policy_opts.set_defaults(conf)
        path = Path(conf.oslo_policy.policy_file)
        if config_dir is not None and not path.is_absolute():
            path = config_dir / path
        self._conf = conf
        self._defaults = rules
        self._path = path
        self._stamp = self._mtime()
        self._checked = time.monotonic()
        self._lock = threading.Lock()
        self._attributes: dict[str, frozenset[str] | None] = {}

    def load(self) -> None:
        """Read the rules now and not with the first question: a file that cannot be used is told at the start.

        The engine asks nothing and does without them.
        """
        self._rules.rule("default")

    @functools.cached_property
    def _enforcer(self) -> oslo_policy.Enforcer:
        enforcer = oslo_policy.Enforcer(self._conf, policy_file=str(self._path), use_conf=self._path.exists())
        enforcer.suppress_deprecation_warnings = True
        enforcer.register_defaults(list(self._defaults))
        enforcer.load_rules(force_reload=True)
        return enforcer

    @functools.cached_property
    def _rules(self) -> Compiled:
        return Compiled(self._enforcer)

    def _mtime(self) -> float:
        return self._path.stat().st_mtime if self._path.exists() else 0.0

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._checked < _RELOAD_SECONDS:
            return
        with self._lock:
            self._checked = now
            stamp = self._mtime()
            if stamp != self._stamp:
                self._stamp = stamp
                self._enforcer.use_conf = self._path.exists()
                self._enforcer.load_rules(force_reload=True)
                self._attributes = {}
                self._rules = Compiled(self._enforcer)

    def allows(self, ctx: Context, rule: str, target: Mapping[str, Any] | None = None) -> bool:
        """Whether `ctx` may do `rule` on `target` (attributes as the rules name them: `user_id`, `target.user.id`)."""
        self._refresh()
        evaluate = self._rules.rule(rule)
        if evaluate is None:
            raise LookupError(f"no policy rule is called {rule}")
        registered = self._enforcer.registered_rules.get(rule)
        if registered is not None and registered.scope_types and _scope_of(ctx) not in registered.scope_types:
            return False
        return evaluate(_flat(target or {}), ctx.policy_credentials())

    def attributes(self, rule: str) -> frozenset[str] | None:
        """The target attributes that a rule and the rules it names look at; None when that cannot be told.

        A list decides once for all rows that agree in them instead of once a row.
        """
        self._refresh()
        if rule not in self._attributes:
            self._attributes[rule] = self._attributes_of(rule)
        return self._attributes[rule]

    def _attributes_of(self, rule: str) -> frozenset[str] | None:
        seen, names, waiting = set[str](), set[str](), [rule]
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            text = str(self._enforcer.rules.get(one) or "")
            if "http:" in text or "https:" in text:
                return None
            names.update(_ATTRIBUTE.findall(text))
            waiting += _NAMED_RULE.findall(text)
        return frozenset(names)

    def can(self, ctx: Context, rule: str, target: Mapping[str, Any] | None = None, message: str | None = None) -> None:
        """Raise Forbidden, with the service's usual words unless `message` says better, when `rule` is not allowed."""
        if not self.allows(ctx, rule, target):
            raise Forbidden(message or self._refusal.format(rule=rule))


def _scope_of(ctx: Context) -> str:
    """An unscoped token counts as a project's, as in oslo.policy."""
    if ctx.system_scope:
        return "system"
    return "domain" if ctx.domain_id else "project"


def _flat(target: Mapping[str, Any]) -> dict[str, Any]:
    """Nested targets under dotted names, as rules write them: {"target": {"user": {"id": 1}}} is `target.user.id`."""
    flat: dict[str, Any] = {}
    for key, value in target.items():
        if isinstance(value, Mapping):
            flat[key] = value
            for inner, nested in _flat(value).items():
                flat[f"{key}.{inner}"] = nested
        else:
            flat[key] = value
    return flat
