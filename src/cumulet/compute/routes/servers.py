"""Servers and what belongs to one."""

from __future__ import annotations

from cumulet.compute.handlers import (
    consoles,
    gone,
    instance_actions,
    migrations,
    server_actions,
    server_addresses,
    server_create,
    server_guest,
    server_metadata,
    server_shares,
    server_tags,
    servers,
)
from cumulet.kernel.http import Route

_ONE = "/v2.1/servers/{server_id}"
_ALIAS_UNTIL = (2, 102)
_ALIAS = "/v2.1/os-volumes_boot"  # another name of the same resource, from when only some servers had volumes
_CONSOLES = tuple(f"{_ONE}/consoles{rest}" for rest in ("", "/{console_id}"))
ROUTES = (
    Route("GET", _ALIAS, servers.index, until=_ALIAS_UNTIL),
    Route("POST", _ALIAS, server_create.create, until=_ALIAS_UNTIL),
    Route("GET", f"{_ALIAS}/detail", servers.detail, until=_ALIAS_UNTIL),
    Route("GET", f"{_ALIAS}/{{server_id}}", servers.show, until=_ALIAS_UNTIL),
    Route("PUT", f"{_ALIAS}/{{server_id}}", servers.update, until=_ALIAS_UNTIL),
    Route("DELETE", f"{_ALIAS}/{{server_id}}", servers.delete, until=_ALIAS_UNTIL),
    Route("POST", f"{_ALIAS}/{{server_id}}/action", server_actions.act, until=_ALIAS_UNTIL),
    Route("GET", "/v2.1/servers", servers.index),
    Route("POST", "/v2.1/servers", server_create.create),
    Route("GET", "/v2.1/servers/detail", servers.detail),
    Route("GET", _ONE, servers.show),
    Route("PUT", _ONE, servers.update),
    Route("DELETE", _ONE, servers.delete),
    Route("POST", f"{_ONE}/action", server_actions.act),
    Route("GET", f"{_ONE}/metadata", server_metadata.index),
    Route("POST", f"{_ONE}/metadata", server_metadata.add),
    Route("PUT", f"{_ONE}/metadata", server_metadata.replace),
    Route("GET", f"{_ONE}/metadata/{{key}}", server_metadata.show),
    Route("PUT", f"{_ONE}/metadata/{{key}}", server_metadata.update),
    Route("DELETE", f"{_ONE}/metadata/{{key}}", server_metadata.delete),
    Route("GET", f"{_ONE}/tags", server_tags.index, since=(2, 26)),
    Route("PUT", f"{_ONE}/tags", server_tags.replace, since=(2, 26)),
    Route("DELETE", f"{_ONE}/tags", server_tags.clear, since=(2, 26)),
    Route("GET", f"{_ONE}/tags/{{tag}}", server_tags.show, since=(2, 26)),
    Route("PUT", f"{_ONE}/tags/{{tag}}", server_tags.add, since=(2, 26)),
    Route("DELETE", f"{_ONE}/tags/{{tag}}", server_tags.delete, since=(2, 26)),
    Route("GET", f"{_ONE}/ips", server_addresses.index),
    Route("GET", f"{_ONE}/ips/{{network}}", server_addresses.show),
    Route("POST", f"{_ONE}/remote-consoles", consoles.create, since=(2, 6)),
    Route("GET", "/v2.1/os-console-auth-tokens/{token}", consoles.show_token),
    *(Route(method, path, gone.gone) for path in _CONSOLES for method in ("GET", "POST", "DELETE")),
    Route("GET", f"{_ONE}/shares", server_shares.index, since=(2, 97)),
    Route("POST", f"{_ONE}/shares", server_shares.create, since=(2, 97)),
    Route("GET", f"{_ONE}/shares/{{share_id}}", server_shares.show, since=(2, 97)),
    Route("DELETE", f"{_ONE}/shares/{{share_id}}", server_shares.delete, since=(2, 97)),
    Route("GET", f"{_ONE}/diagnostics", server_guest.diagnostics),
    Route("GET", f"{_ONE}/os-server-password", server_guest.password),
    Route("DELETE", f"{_ONE}/os-server-password", server_guest.clear_password),
    Route("GET", f"{_ONE}/topology", server_guest.topology, since=(2, 78)),
    Route("GET", f"{_ONE}/migrations", migrations.index, since=(2, 23)),
    Route("GET", f"{_ONE}/migrations/{{migration_id}}", migrations.show, since=(2, 23)),
    Route("DELETE", f"{_ONE}/migrations/{{migration_id}}", migrations.abort, since=(2, 24)),
    Route("POST", f"{_ONE}/migrations/{{migration_id}}/action", migrations.force_complete, since=(2, 22)),
    Route("GET", "/v2.1/os-migrations", migrations.of_all),
    Route("GET", f"{_ONE}/os-instance-actions", instance_actions.index),
    Route("GET", f"{_ONE}/os-instance-actions/{{request_id}}", instance_actions.show),
)
