"""oslo.policy's rules, an operator's file, and scopes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from oslo_policy.policy import RuleDefault

from cumulet.kernel import config, policy
from cumulet.kernel.errors import Forbidden
from tests.support import caller

RULES = (
    RuleDefault("things:list", "role:reader", scope_types=["project"]),
    RuleDefault("things:own", "user_id:%(target.thing.user_id)s"),
    RuleDefault("things:admin", "role:admin", scope_types=["system", "project"]),
)


def rules(directory: Path) -> policy.Policy:
    return policy.Policy(config.load("things"), RULES, config_dir=directory)


def test_roles_targets_and_scopes(tmp_path: Path) -> None:
    checked = rules(tmp_path)
    assert checked.allows(caller("reader"), "things:list")
    assert not checked.allows(caller("member"), "things:list")
    assert not checked.allows(caller("reader", project_id=None, system_scope="all"), "things:list")
    assert checked.allows(caller("admin", project_id=None, system_scope="all"), "things:admin")
    assert not checked.allows(caller("admin", project_id=None, domain_id="d"), "things:admin")
    assert checked.allows(caller(user_id="me"), "things:own", {"target": {"thing": {"user_id": "me"}}})
    assert not checked.allows(caller(user_id="me"), "things:own", {"target": {"thing": {"user_id": "you"}}})
    assert not checked.allows(caller(user_id="me"), "things:own")


def test_an_operators_file_counts_within_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = rules(tmp_path)
    (tmp_path / "policy.yaml").write_text('"things:list": "role:member"\n')
    started = time.monotonic()
    monkeypatch.setattr(policy.time, "monotonic", lambda: started + 2)
    assert checked.allows(caller("member"), "things:list")
    assert not checked.allows(caller("reader"), "things:list")


def test_a_refusal_names_the_rule_and_an_unknown_rule_is_a_mistake(tmp_path: Path) -> None:
    checked = rules(tmp_path)
    with pytest.raises(Forbidden, match="things:list"):
        checked.can(caller("member"), "things:list")
    with pytest.raises(LookupError):
        checked.can(caller("admin"), "things:unheard")
