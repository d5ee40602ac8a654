"""Servers and what belongs to one."""

from __future__ import annotations

from cumulet.compute.handlers import (
    consoles,
    instance_actions,
    migrations,
    server_actions,
    server_addresses,
    server_create,
    server_guest,
    server_metadata,
    server_tags,
    servers,
)
from cumulet.kernel.http import Route

_ONE = "/v2.1/servers/{server_id}"
ROUTES = (
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
