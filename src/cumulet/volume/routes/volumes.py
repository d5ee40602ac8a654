"""Volumes."""

from __future__ import annotations

from cumulet.kernel.http import Route
from cumulet.volume.handlers import volume_actions, volume_metadata, volumes

_ONE = "/v3/volumes/{volume_id}"
ROUTES = (
    Route("GET", "/v3/volumes", volumes.index),
    Route("POST", "/v3/volumes", volumes.create),
    Route("GET", "/v3/volumes/detail", volumes.detail),
    Route("GET", "/v3/volumes/summary", volumes.summary, since=(3, 12)),
    Route("GET", _ONE, volumes.show),
    Route("PUT", _ONE, volumes.update),
    Route("DELETE", _ONE, volumes.delete),
    Route("POST", f"{_ONE}/action", volume_actions.act),
    Route("GET", f"{_ONE}/metadata", volume_metadata.index),
    Route("POST", f"{_ONE}/metadata", volume_metadata.create),
    Route("PUT", f"{_ONE}/metadata", volume_metadata.replace),
    Route("GET", f"{_ONE}/metadata/{{key}}", volume_metadata.show),
    Route("PUT", f"{_ONE}/metadata/{{key}}", volume_metadata.update),
    Route("DELETE", f"{_ONE}/metadata/{{key}}", volume_metadata.delete),
)
