"""Groups, their types and snapshots; consistency groups, which are groups too."""

from __future__ import annotations

from cumulet.kernel.http import Route
from cumulet.volume.handlers import consistency_groups, group_snapshots, group_types, groups

_CONSISTENT = "/v3/consistencygroups/{group_id}"
_TYPE = "/v3/group_types/{type_id}"
ROUTES = (
    Route("GET", "/v3/groups", groups.index, since=(3, 13)),
    Route("POST", "/v3/groups", groups.create, since=(3, 13)),
    Route("GET", "/v3/groups/detail", groups.detail, since=(3, 13)),
    Route("POST", "/v3/groups/action", groups.act_on_all, since=(3, 14)),
    Route("GET", "/v3/groups/{group_id}", groups.show, since=(3, 13)),
    Route("PUT", "/v3/groups/{group_id}", groups.update, since=(3, 13)),
    Route("POST", "/v3/groups/{group_id}/action", groups.act, since=(3, 13)),
    Route("GET", "/v3/group_snapshots", group_snapshots.index, since=(3, 14)),
    Route("POST", "/v3/group_snapshots", group_snapshots.create, since=(3, 14)),
    Route("GET", "/v3/group_snapshots/detail", group_snapshots.detail, since=(3, 14)),
    Route("GET", "/v3/group_snapshots/{snapshot_id}", group_snapshots.show, since=(3, 14)),
    Route("DELETE", "/v3/group_snapshots/{snapshot_id}", group_snapshots.delete, since=(3, 14)),
    Route("POST", "/v3/group_snapshots/{snapshot_id}/action", group_snapshots.act, since=(3, 19)),
    Route("GET", "/v3/group_types", group_types.index, since=(3, 11)),
    Route("POST", "/v3/group_types", group_types.create, since=(3, 11)),
    Route("GET", _TYPE, group_types.show, since=(3, 11)),
    Route("PUT", _TYPE, group_types.update, since=(3, 11)),
    Route("DELETE", _TYPE, group_types.delete, since=(3, 11)),
    Route("GET", f"{_TYPE}/group_specs", group_types.specs, since=(3, 11)),
    Route("POST", f"{_TYPE}/group_specs", group_types.add_specs, since=(3, 11)),
    Route("GET", f"{_TYPE}/group_specs/{{key}}", group_types.show_spec, since=(3, 11)),
    Route("PUT", f"{_TYPE}/group_specs/{{key}}", group_types.set_spec, since=(3, 11)),
    Route("DELETE", f"{_TYPE}/group_specs/{{key}}", group_types.delete_spec, since=(3, 11)),
    Route("GET", "/v3/consistencygroups", consistency_groups.index),
    Route("POST", "/v3/consistencygroups", consistency_groups.create),
    Route("POST", "/v3/consistencygroups/create_from_src", consistency_groups.create_from_source),
    Route("GET", "/v3/consistencygroups/detail", consistency_groups.detail),
    Route("GET", _CONSISTENT, consistency_groups.show),
    Route("PUT", _CONSISTENT, consistency_groups.update),
    Route("PUT", f"{_CONSISTENT}/update", consistency_groups.update),
    Route("POST", f"{_CONSISTENT}/delete", consistency_groups.delete),
    Route("GET", "/v3/cgsnapshots", consistency_groups.snapshots),
    Route("POST", "/v3/cgsnapshots", consistency_groups.create_snapshot),
    Route("GET", "/v3/cgsnapshots/detail", consistency_groups.snapshots_detail),
    Route("GET", "/v3/cgsnapshots/{snapshot_id}", consistency_groups.snapshot),
    Route("DELETE", "/v3/cgsnapshots/{snapshot_id}", consistency_groups.delete_snapshot),
)
