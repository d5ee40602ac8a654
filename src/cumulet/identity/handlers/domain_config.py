"""`/v3/domains/{id}/config` (Identity API v3, Domain configuration)."""

from __future__ import annotations

from typing import Any

from cumulet.identity.domain import domain_config
from cumulet.identity.domain.domain_config import Config
from cumulet.identity.schemas.domain_config import ConfigBody
from cumulet.identity.service import Identity
from cumulet.kernel.http import NO_CONTENT, Call, Reply

_COMPLIANCE = "security_compliance"


def _body(config: Config, group: str | None, option: str | None) -> Reply:
    """One option stands without its group."""
    shown: dict[str, Any] = config if group is None or option is None else config[group]
    return Reply({"config": shown})


def show(call: Call[Identity], domain_id: str, group: str | None = None, option: str | None = None) -> Reply:
    if group == _COMPLIANCE:
        return _show_compliance(call, domain_id, option)
    call.service.policy.can(call.ctx, "identity:get_domain_config")
    return _body(domain_config.show(call.service, domain_id, group, option), group, option)


def _show_compliance(call: Call[Identity], domain_id: str, option: str | None) -> Reply:
    call.service.policy.can(call.ctx, "identity:get_security_compliance_domain_config")
    rules = domain_config.compliance(call.service.conf, domain_id, option)
    return Reply({"config": rules if option is not None else {_COMPLIANCE: rules}})


def replace(call: Call[Identity], domain_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:create_domain_config")
    config, is_new = domain_config.replace(call.service, domain_id, call.json(ConfigBody).config)
    return Reply({"config": config}, 201 if is_new else 200)


def update(call: Call[Identity], domain_id: str, group: str | None = None, option: str | None = None) -> Reply:
    call.service.policy.can(call.ctx, "identity:update_domain_config")
    given = call.json(ConfigBody).config
    return Reply({"config": domain_config.update(call.service, domain_id, given, group, option)})


def delete(call: Call[Identity], domain_id: str, group: str | None = None, option: str | None = None) -> Reply:
    call.service.policy.can(call.ctx, "identity:delete_domain_config")
    domain_config.delete(call.service, domain_id, group, option)
    return NO_CONTENT


def show_default(call: Call[Identity], group: str | None = None, option: str | None = None) -> Reply:
    call.service.policy.can(call.ctx, "identity:get_domain_config_default")
    return _body(domain_config.defaults(call.service.conf, group, option), group, option)
