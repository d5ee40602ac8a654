"""A domain's own options, by group: `{"ldap": {"url": "ldap://…"}, "identity": {"driver": "ldap"}}`.

A group or an option that is not in OPTIONS is refused; sensitive ones are kept but never shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa
from oslo_config import cfg
from sqlalchemy.engine import Connection

from cumulet.identity import ldap_options
from cumulet.identity.domain import projects
from cumulet.identity.errors import not_found
from cumulet.identity.service import Identity
from cumulet.identity.tables import domain_config
from cumulet.kernel.errors import Forbidden, NotFound

Config = dict[str, dict[str, Any]]

SENSITIVE = {"ldap": frozenset({"password"})}
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "identity": ("driver", "list_limit"),
    "ldap": tuple(option.name for option in ldap_options.LDAP),
}
COMPLIANCE = ("password_regex", "password_regex_description")
"""What of `[security_compliance]` everybody may read, so that a client can tell a user what a password must be."""


def refused(reason: str) -> Forbidden:
    return Forbidden(f"Invalid domain specific configuration: {reason}.")


def check_names(group: str | None, option: str | None = None) -> None:
    """Raise Forbidden for a group or option that domains do not have."""
    if group is None:
        return
    if group not in OPTIONS:
        raise refused(f"Group {group} is not supported for domain specific configurations")
    if option is not None and option not in OPTIONS[group]:
        raise refused(f"Option {option} in group {group} is not supported for domain specific configurations")


def checked(config: Mapping[str, Any]) -> Config:
    """A whole configuration as a client gave it. Raises Forbidden for what cannot be in one."""
    if not config:
        raise refused("No options specified")
    for group, options in config.items():
        if not isinstance(options, dict) or not options:
            raise refused(f"The value of group {group} specified in the config should be a dictionary of options")
        for option in options:
            check_names(group, option)
    return dict(config)


def _absent(domain_id: str, group: str | None, option: str | None) -> NotFound:
    what = "any options"
    if group is not None:
        what = f"group {group}" if option is None else f"option {option} in group {group}"
    return NotFound(f"Could not find {what} in domain configuration for domain {domain_id}.")


def _chosen(domain_id: str, group: str | None, option: str | None) -> list[sa.ColumnElement[bool]]:
    conditions = [domain_config.c.domain_id == domain_id]
    if group is not None:
        conditions.append(domain_config.c.group == group)
    if option is not None:
        conditions.append(domain_config.c.option == option)
    return conditions


def _load(connection: Connection, domain_id: str, group: str | None = None, option: str | None = None) -> Config:
    """What may be shown of it. Raises NotFound when there is nothing."""
    query = (
        sa.select(domain_config.c.group, domain_config.c.option, domain_config.c.value)
        .where(*_chosen(domain_id, group, option), domain_config.c.sensitive.is_(False))
        .order_by(domain_config.c.group, domain_config.c.option)
    )
    found: Config = {}
    for in_group, name, value in connection.execute(query):
        found.setdefault(in_group, {})[name] = msgspec.json.decode(value)
    if not found:
        raise _absent(domain_id, group, option)
    return found


def show(identity: Identity, domain_id: str, group: str | None = None, option: str | None = None) -> Config:
    """All of it, one group, or one option in its group. Raises NotFound, or Forbidden for unknown names."""
    check_names(group, option)
    with identity.db.read() as connection:
        return _load(connection, domain_id, group, option)


def _check_domain(connection: Connection, domain_id: str) -> None:
    """Also keeps others from changing the domain until the transaction ends."""
    if not projects.load(connection, domain_id, kind="domain", lock=True).is_domain:
        raise not_found("domain", domain_id)


def _insert(connection: Connection, domain_id: str, config: Config) -> None:
    rows = [
        {
            "domain_id": domain_id,
            "group": group,
            "option": option,
            "sensitive": option in SENSITIVE.get(group, ()),
            "value": msgspec.json.encode(value).decode(),
        }
        for group, options in config.items()
        for option, value in options.items()
    ]
    connection.execute(sa.insert(domain_config), rows)


def replace(identity: Identity, domain_id: str, config: Mapping[str, Any]) -> tuple[Config, bool]:
    """What may be shown of it now, and whether there was none before. Raises NotFound or Forbidden."""
    with identity.db.write() as connection:
        _check_domain(connection, domain_id)
        new = checked(config)
        gone = connection.execute(sa.delete(domain_config).where(*_chosen(domain_id, None, None)))
        _insert(connection, domain_id, new)
        return _visible(new), gone.rowcount == 0


def _visible(config: Config) -> Config:
    shown = {
        group: {name: value for name, value in options.items() if name not in SENSITIVE.get(group, ())}
        for group, options in config.items()
    }
    return {group: options for group, options in shown.items() if options}


def update(
    identity: Identity, domain_id: str, config: Mapping[str, Any], group: str | None = None, option: str | None = None
) -> Config:
    """Change options, of all groups or of one, or one option that there is; the rest stays.

    Returns all that may be shown. Raises NotFound or Forbidden.
    """
    with identity.db.write() as connection:
        _check_domain(connection, domain_id)
        check_names(group, option)
        changes = _changes(config, group, option)
        if group is not None:
            _check_present(connection, domain_id, group, option)
        for in_group, options in changes.items():
            connection.execute(
                sa.delete(domain_config).where(
                    *_chosen(domain_id, in_group, None), domain_config.c.option.in_(list(options))
                )
            )
        _insert(connection, domain_id, changes)
        return _load(connection, domain_id)


def _changes(config: Mapping[str, Any], group: str | None, option: str | None) -> Config:
    if group is None:
        return checked(config)
    if option is not None:
        if set(config) != {option}:
            given = ", ".join(sorted(config)) or "none"
            wanted = f"Trying to update option {option} in group {group}"
            raise refused(f"{wanted}, but config provided contains option {given} instead")
        return {group: {option: config[option]}}
    changes = checked(config)
    if len(changes) > 1:
        raise refused(f"Trying to update group {group}, so that, and only that, group must be specified in the config")
    if group not in changes:
        given = next(iter(changes))
        raise refused(f"request to update group {group}, but config provided contains group {given} instead")
    return changes


def _check_present(connection: Connection, domain_id: str, group: str, option: str | None) -> None:
    query = sa.select(domain_config.c.option).where(*_chosen(domain_id, group, option)).limit(1)
    if connection.execute(query).first() is None:
        raise _absent(domain_id, group, option)


def delete(identity: Identity, domain_id: str, group: str | None = None, option: str | None = None) -> None:
    """Raises NotFound for the domain, and for a group or option it has none of; Forbidden for unknown names."""
    with identity.db.write() as connection:
        _check_domain(connection, domain_id)
        check_names(group, option)
        gone = connection.execute(sa.delete(domain_config).where(*_chosen(domain_id, group, option)))
        if group is not None and gone.rowcount == 0:
            raise _absent(domain_id, group, option)


def defaults(conf: cfg.ConfigOpts, group: str | None = None, option: str | None = None) -> Config:
    """What holds for domains without options of their own: the operator's configuration. Raises Forbidden."""
    check_names(group, option)
    groups = [group] if group is not None else list(OPTIONS)
    return {
        name: {
            each: getattr(conf[name], each)
            for each in OPTIONS[name]
            if each not in SENSITIVE.get(name, ()) and option in (None, each)
        }
        for name in groups
    }


def compliance(conf: cfg.ConfigOpts, domain_id: str, option: str | None = None) -> dict[str, Any]:
    """What everybody may know of the rules for passwords. Raises Forbidden for other domains and other options."""
    if domain_id != conf.identity.default_domain_id:
        raise refused(
            "Reading security compliance information for any domain other than the default domain is not allowed or "
            "supported."
        )
    if option is not None and option not in COMPLIANCE:
        raise refused(
            "Reading security compliance values other than password_regex and password_regex_description is not "
            "allowed."
        )
    wanted = COMPLIANCE if option is None else (option,)
    return {name: getattr(conf.security_compliance, name) for name in wanted}
