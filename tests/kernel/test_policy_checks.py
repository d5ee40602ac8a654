"""The rules as functions say what oslo.policy says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oslo_config import cfg
from oslo_policy import _checks, policy

from cumulet.kernel.policy_checks import Compiled

ATTRIBUTES = ["user_id", "target.user.id", "target.user.domain_id", "missing"]
LEAVES = [
    "@",
    "!",
    "role:admin",
    "role:Reader",
    "role:%(role_name)s",
    "user_id:me",
    "domain_id:%(target.user.domain_id)s",
    "token.project.domain.id:%(target.user.domain_id)s",
    "token.unknown.id:d",
    "groups.id:g2",
    "None:%(target.user.domain_id)s",
    "'member':%(role_name)s",
    "True:%(enabled)s",
    "system_scope:all",
    "rule:named",
    "rule:unheard",
    "user_id:%(user_id)s-%(role_name)s",
    *(f"user_id:%({name})s" for name in ATTRIBUTES),
]
NAMED = "role:manager or user_id:%(user_id)s"

expressions = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({' or '.join(parts)})"),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({' and '.join(parts)})"),
        inner.map(lambda part: f"(not {part})"),
    ),
    max_leaves=8,
)
ids = st.sampled_from(["me", "you", "d", None])
credentials = st.fixed_dictionaries(
    {
        "roles": st.lists(st.sampled_from(["admin", "READER", "manager", "member"]), max_size=2),
        "user_id": ids,
        "domain_id": ids,
        "system_scope": st.sampled_from([None, "all"]),
        "token": st.fixed_dictionaries(
            {"project": st.fixed_dictionaries({"domain": st.fixed_dictionaries({"id": ids})})}
        ),
        "groups": st.just([{"id": "g1"}, {"id": "g2"}]),
    }
)
targets = st.fixed_dictionaries(
    {},
    optional={
        "user_id": ids,
        "target.user.id": ids,
        "target.user.domain_id": ids,
        "role_name": st.sampled_from(["member", "Admin"]),
        "enabled": st.booleans(),
    },
)


def enforcer_of(expression: str) -> policy.Enforcer:
    conf = cfg.ConfigOpts()
    conf(args=[])
    enforcer = policy.Enforcer(conf, use_conf=False)
    enforcer.suppress_deprecation_warnings = True
    enforcer.register_defaults([policy.RuleDefault("asked", expression), policy.RuleDefault("named", NAMED)])
    enforcer.load_rules(force_reload=True)
    return enforcer


@settings(max_examples=300, deadline=None)
@given(expressions, credentials, targets)
def test_every_rule_says_the_same(expression: str, credentials: dict[str, Any], target: dict[str, Any]) -> None:
    enforcer = enforcer_of(expression)
    theirs = bool(_checks._check(enforcer.rules["asked"], target, credentials, enforcer, "asked"))
    ours = Compiled(enforcer).rule("asked")
    assert ours is not None
    assert ours(target, credentials) is theirs


def test_what_is_no_value_does_not_hold() -> None:
    """Where oslo.policy itself stumbles, a rule does not hold."""
    rule = Compiled(enforcer_of("trust.trust_id:t")).rule("asked")
    assert rule is not None
    assert rule({}, {"trust": None}) is False
    assert rule({}, {"trust": {"trust_id": "t"}}) is True


def test_an_unknown_rule_is_none() -> None:
    assert Compiled(enforcer_of("@")).rule("unheard") is None


class Even(_checks.Check):
    """A check of an operator's own, with the older signature."""

    def __call__(self, target: Any, credentials: Any, enforcer: Any) -> bool:
        return int(self.match) % 2 == 0


@pytest.mark.parametrize(("number", "holds"), [(4, True), (5, False)])
def test_checks_of_other_makers_are_called(number: int, holds: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_checks.registered_checks, "even", Even)
    rule = Compiled(enforcer_of(f"role:admin or even:{number}")).rule("asked")
    assert rule is not None
    assert rule({}, {"roles": []}) is holds
