"""`/v2.0/qos/…` (Networking API v2.0, Quality of Service)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cumulet.kernel.errors import NotFound
from cumulet.kernel.http import Call, Reply, Route
from cumulet.network.attributes import ID, NAME, PROJECT, STANDARD, TAGS, Attribute, read_only
from cumulet.network.checks import boolean, integer, one_of
from cumulet.network.crud import Noun
from cumulet.network.domain import base, qos_policies
from cumulet.network.domain.qos_rules import PARAMETERS, SUPPORTED, Rules, policy_of
from cumulet.network.service import Network

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_DSCP: Final = [0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 44, 46, 48, 56]
_AMOUNT = integer(0, 2**31 - 1)
_DIRECTION = Attribute(one_of(["ingress", "egress"]), default="egress")
_PARAMETERS: Final[dict[str, dict[str, Attribute]]] = {
    "bandwidth_limit": {
        "max_kbps": Attribute(_AMOUNT),
        "max_burst_kbps": Attribute(_AMOUNT, default=0),
        "direction": _DIRECTION,
    },
    "packet_rate_limit": {
        "max_kpps": Attribute(_AMOUNT),
        "max_burst_kpps": Attribute(_AMOUNT, default=0),
        "direction": _DIRECTION,
    },
    "dscp_marking": {"dscp_mark": Attribute(lambda value: one_of(_DSCP)(integer()(value)))},
    "minimum_bandwidth": {"min_kbps": Attribute(_AMOUNT), "direction": _DIRECTION},
    "minimum_packet_rate": {
        "min_kpps": Attribute(_AMOUNT),
        "direction": Attribute(one_of(["any", "ingress", "egress"]), default="egress"),
    },
}
POLICIES = Noun(
    "policy",
    "policies",
    {
        **ID,
        **PROJECT,
        **NAME,
        **STANDARD,
        **TAGS,
        "shared": Attribute(boolean, default=False, guarded=True),
        "is_default": Attribute(boolean, default=False),
        "rules": read_only(filter=False, sort=False),
    },
    qos_policies,
    dress=base.show_sharing("qos_policy"),
    dressed=frozenset({"shared"}),
)


def _rules(kind: str) -> Noun:
    return Noun(
        f"{kind}_rule",
        f"{kind}_rules",
        {**ID, **_PARAMETERS[kind]},
        Rules(kind),
        rule=f"policy_{kind}_rule",
        parent=POLICIES,
        parent_key="qos_policy_id",
    )


def _enrich(call: Call[Network], connection: Connection, target: dict[str, Any]) -> None:
    """A rule is its policy owner's, also under its alias."""
    policy = POLICIES.show_row(call, connection, str(policy_of(connection, target["id"])))
    target["ext_parent:tenant_id"] = target["ext_parent:project_id"] = policy.project_id


def _aliases(kind: str) -> Noun:
    """The same rules by their ids alone (extension qos-rules-alias)."""
    return Noun(
        f"alias_{kind}_rule",
        f"alias_{kind}_rules",
        {**ID, **_PARAMETERS[kind]},
        Rules(kind),
        enrich=_enrich,
    )


RULES: Final = {kind: _rules(kind) for kind in PARAMETERS}
ALIASES: Final = {kind: _aliases(kind) for kind in PARAMETERS}


def rule_routes() -> tuple[Route, ...]:
    """Each kind of rule below its policy, and under its alias. Of two spellings in use both are served."""
    routes: list[Route] = []
    for kind, noun in RULES.items():
        for name in dict.fromkeys((noun.plural, noun.plural.replace("_", "-"))):
            path = f"/v2.0/qos/policies/{{policy_id}}/{name}"
            routes += [Route("GET", path, noun.index), Route("POST", path, noun.create)]
            routes += [
                Route("GET", f"{path}/{{rule_id}}", noun.show),
                Route("PUT", f"{path}/{{rule_id}}", noun.update),
                Route("DELETE", f"{path}/{{rule_id}}", noun.delete),
            ]
        alias, path = ALIASES[kind], f"/v2.0/qos/alias-{kind.replace('_', '-')}-rules/{{rule_id}}"
        routes += [
            Route("GET", path, alias.show),
            Route("PUT", path, alias.update),
            Route("DELETE", path, alias.delete),
        ]
    return tuple(routes)


def rule_types(call: Call[Network]) -> Reply:
    """The kinds of rules that hosts carry out; `all_rules=true` shows every kind there is."""
    wants_all = call.query().get("all_rules", ["false"])[-1].lower() in ("true", "1")
    return Reply({"rule_types": [{"type": kind} for kind in (PARAMETERS if wants_all else SUPPORTED)]})


def rule_type(call: Call[Network], type_name: str) -> Reply:
    if type_name not in PARAMETERS:
        raise NotFound(f"QoS rule type {type_name} could not be found.", code="QosRuleTypeNotFound")
    drivers = []
    if type_name in SUPPORTED:
        drivers = [{"name": "linuxbridge", "supported_parameters": [_described(key) for key in PARAMETERS[type_name]]}]
    return Reply({"rule_type": {"type": type_name, "drivers": drivers}})


def _described(parameter: str) -> dict[str, Any]:
    if parameter == "direction":
        return _parameter(parameter, "choices", ["ingress", "egress"])
    if parameter == "dscp_mark":
        return _parameter(parameter, "choices", _DSCP)
    return _parameter(parameter, "range", {"start": 0, "end": 2**31 - 1})


def _parameter(name: str, kind: str, values: Any) -> dict[str, Any]:
    return {"parameter_name": name, "parameter_type": kind, "parameter_values": values}
