"""What is plugged into servers, and what other services say of them."""

from __future__ import annotations

from cumulet.compute.handlers import (
    assisted_snapshots,
    external_events,
    gone,
    interfaces,
    server_networking,
    volume_attachments,
    volumes,
)
from cumulet.kernel.http import Route

_ONE = "/v2.1/servers/{server_id}"
_VOLUMES = f"{_ONE}/os-volume_attachments"
_LAST = (2, 35)
ROUTES = (
    Route("GET", f"{_ONE}/os-interface", interfaces.index),
    Route("POST", f"{_ONE}/os-interface", interfaces.create),
    Route("GET", f"{_ONE}/os-interface/{{port_id}}", interfaces.show),
    Route("DELETE", f"{_ONE}/os-interface/{{port_id}}", interfaces.delete),
    Route("GET", f"{_ONE}/os-virtual-interfaces", gone.gone),
    Route("GET", f"{_ONE}/os-security-groups", server_networking.security_groups),
    Route("GET", _VOLUMES, volume_attachments.index),
    Route("POST", _VOLUMES, volume_attachments.create),
    Route("GET", f"{_VOLUMES}/{{volume_id}}", volume_attachments.show),
    Route("PUT", f"{_VOLUMES}/{{volume_id}}", volume_attachments.update),
    Route("DELETE", f"{_VOLUMES}/{{volume_id}}", volume_attachments.delete),
    Route("GET", "/v2.1/os-volumes", volumes.index, until=_LAST),
    Route("POST", "/v2.1/os-volumes", volumes.create, until=_LAST),
    Route("GET", "/v2.1/os-volumes/detail", volumes.detail, until=_LAST),
    Route("GET", "/v2.1/os-volumes/{volume_id}", volumes.show, until=_LAST),
    Route("DELETE", "/v2.1/os-volumes/{volume_id}", volumes.delete, until=_LAST),
    Route("GET", "/v2.1/os-snapshots", volumes.snapshots, until=_LAST),
    Route("POST", "/v2.1/os-snapshots", volumes.create_snapshot, until=_LAST),
    Route("GET", "/v2.1/os-snapshots/detail", volumes.snapshots_detail, until=_LAST),
    Route("GET", "/v2.1/os-snapshots/{snapshot_id}", volumes.snapshot, until=_LAST),
    Route("DELETE", "/v2.1/os-snapshots/{snapshot_id}", volumes.delete_snapshot, until=_LAST),
    Route("POST", "/v2.1/os-assisted-volume-snapshots", assisted_snapshots.create),
    Route("DELETE", "/v2.1/os-assisted-volume-snapshots/{snapshot_id}", assisted_snapshots.delete),
    Route("POST", "/v2.1/os-server-external-events", external_events.create),
)
