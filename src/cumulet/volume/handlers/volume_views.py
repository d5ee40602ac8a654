"""How volumes look, by microversion (Block Storage API, Volumes)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy.engine import Row

from cumulet.kernel.http import Call
from cumulet.volume import views
from cumulet.volume.domain import volumes
from cumulet.volume.service import Volume

_EMPTY = "{}"


class View:
    """How one caller sees volumes; made once a request. `type_names`: id -> name."""

    def __init__(self, call: Call[Volume], type_names: Mapping[str, str]) -> None:
        self._call = call
        self._version = call.version
        self._names = type_names
        service, ctx = call.service, call.ctx
        self._admin = service.is_admin(ctx)
        own = {"project_id": ctx.project_id, "user_id": ctx.user_id}
        self._tenant = service.policy.allows(ctx, "volume_extension:volume_tenant_attribute", own)
        self._host = service.policy.allows(ctx, "volume_extension:volume_host_attribute", own)
        self._migration = service.policy.allows(ctx, "volume_extension:volume_mig_status_attribute", own)
        self._image = service.policy.allows(ctx, "volume_extension:volume_image_metadata:show", own)
        base, project = views.base_url(call), views.path_prefix(call)
        self._self, self._bookmark = f"{base}/v3{project}/volumes/", f"{base}{project}/volumes/"

    def links(self, volume_id: str) -> list[dict[str, str]]:
        return [
            {"rel": "self", "href": self._self + volume_id},
            {"rel": "bookmark", "href": self._bookmark + volume_id},
        ]

    def summary(self, row: Row[Any]) -> dict[str, Any]:
        return {"id": row.id, "name": row.name, "links": self.links(row.id)}

    def detail(self, row: Row[Any]) -> dict[str, Any]:
        """As show and detailed lists have it."""
        shown = self.basic(row)
        if self._tenant:
            shown["os-vol-tenant-attr:tenant_id"] = row.project_id
        if self._migration:
            shown["os-vol-mig-status-attr:migstat"] = row.migration_status
            shown["os-vol-mig-status-attr:name_id"] = row.name_id
        if self._host:
            shown["os-vol-host-attr:host"] = row.host
        if self._image and row.image_metadata != _EMPTY:
            shown["volume_image_metadata"] = msgspec.Raw(row.image_metadata)
        return shown

    def basic(self, row: Row[Any]) -> dict[str, Any]:
        """As the answers to create and update have it."""
        type_name = self._names.get(row.volume_type_id)
        shown: dict[str, Any] = {
            "id": row.id,
            "status": row.status,
            "size": row.size,
            "availability_zone": row.availability_zone,
            "created_at": views.time(row.created_at),
            "updated_at": views.time(row.updated_at),
            "name": row.name,
            "description": row.description,
            "volume_type": type_name,
            "snapshot_id": row.snapshot_id,
            "source_volid": row.source_volid,
            "metadata": metadata(row),
            "links": self.links(row.id),
            "user_id": row.user_id,
            "bootable": "true" if row.bootable else "false",
            "encrypted": row.encrypted,
            "replication_status": row.replication_status,
            "consistencygroup_id": row.group_id,
            "multiattach": row.multiattach,
            "attachments": self._attachments(row),
        }
        if self._admin:
            shown["migration_status"] = row.migration_status
        self._newer(row, shown)
        return shown

    def _newer(self, row: Row[Any], shown: dict[str, Any]) -> None:
        version = self._version
        if version >= (3, 13):
            shown["group_id"] = row.group_id
        if version >= (3, 21) and self._admin:
            shown["provider_id"] = row.provider_id
        if version >= (3, 48):
            shown["shared_targets"] = row.shared_targets
            shown["service_uuid"] = row.service_uuid
        if version >= (3, 61) and self._admin:
            shown["cluster_name"] = None
        if version >= (3, 63):
            shown["volume_type_id"] = row.volume_type_id
        if version >= (3, 64) and row.encryption_key_id is not None:
            shown["encryption_key_id"] = row.encryption_key_id
        if version >= (3, 65):
            shown["consumes_quota"] = row.consumes_quota

    def _attachments(self, row: Row[Any]) -> list[dict[str, Any]]:
        if row.attachments == "[]":
            return []
        found: list[dict[str, Any]] = volumes.decode(row.attachments)
        for each in found:
            each["attached_at"] = views.time(each["attached_at"])
            if not self._admin:
                each["host_name"] = None
        return found


def metadata(row: Row[Any]) -> Any:
    """The user's own, and what Volume says about how it is attached."""
    if row.admin_metadata == _EMPTY:
        return msgspec.Raw(row.metadata)
    return volumes.decode(row.metadata) | volumes.decode(row.admin_metadata)
