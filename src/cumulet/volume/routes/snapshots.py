"""Snapshots."""

from __future__ import annotations

from cumulet.kernel.http import Route
from cumulet.volume.handlers import snapshot_actions, snapshots

_ONE = "/v3/snapshots/{snapshot_id}"
ROUTES = (
    Route("GET", "/v3/snapshots", snapshots.index),
    Route("POST", "/v3/snapshots", snapshots.create),
    Route("GET", "/v3/snapshots/detail", snapshots.detail),
    Route("GET", _ONE, snapshots.show),
    Route("PUT", _ONE, snapshots.update),
    Route("DELETE", _ONE, snapshots.delete),
    Route("POST", f"{_ONE}/action", snapshot_actions.act),
    Route("GET", f"{_ONE}/metadata", snapshots.metadata),
    Route("POST", f"{_ONE}/metadata", snapshots.add_metadata),
    Route("PUT", f"{_ONE}/metadata", snapshots.replace_metadata),
    Route("GET", f"{_ONE}/metadata/{{key}}", snapshots.metadata_item),
    Route("PUT", f"{_ONE}/metadata/{{key}}", snapshots.set_metadata_item),
    Route("DELETE", f"{_ONE}/metadata/{{key}}", snapshots.delete_metadata_item),
)
