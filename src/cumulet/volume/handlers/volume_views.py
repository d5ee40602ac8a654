"""How volumes look, by microversion (Block Storage API, Volumes).

A list reads the columns that it shows and nothing else, and JSON that is kept in a row goes into answers as it stands:
what a row costs decides what a list costs.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from cumulet.kernel.http import Call
from cumulet.volume import views
from cumulet.volume.domain import volumes
from cumulet.volume.service import Volume

Shown = dict[str, Any]
Values = Sequence[Any]
"""A volume's columns in the order of `volumes.SHOWN`."""
_NONE: Final = "{}"
_NOWHERE: Final = "[]"
_raw = msgspec.Raw


def _columns(*names: str) -> Callable[[Values], tuple[Any, ...]]:
    """What picks columns out of a volume's values, by their names."""
    at = {column.key: position for position, column in enumerate(volumes.SHOWN)}
    return operator.itemgetter(*(at[name] for name in names))


_versioned = _columns(
    *("group_id", "provider_id", "shared_targets", "service_uuid", "volume_type_id", "encryption_key_id"),
    "consumes_quota",
)
_for_operators = _columns("project_id", "migration_status", "name_id", "host", "image_metadata")


class View:
    """How one caller sees volumes; made once a request. `type_names`: id -> name."""

    def __init__(self, call: Call[Volume], type_names: Mapping[str, str]) -> None:
        version = call.version
        self._names = type_names
        service, ctx = call.service, call.ctx
        self._admin = service.is_admin(ctx)
        own = {"project_id": ctx.project_id, "user_id": ctx.user_id}
        self._tenant = service.policy.allows(ctx, "volume_extension:volume_tenant_attribute", own)
        self._host = service.policy.allows(ctx, "volume_extension:volume_host_attribute", own)
        self._migration = service.policy.allows(ctx, "volume_extension:volume_mig_status_attribute", own)
        self._group = version >= (3, 13)
        self._provider = version >= (3, 21) and self._admin
        self._service = version >= (3, 48)
        self._cluster = version >= (3, 61) and self._admin
        self._type_id = version >= (3, 63)
        self._key = version >= (3, 64)
        self._quota = version >= (3, 65)
        self._before_id, self._between_ids = _around_ids(views.base_url(call), views.path_prefix(call))
        self._asked = service.policy, ctx, own

    @functools.cached_property
    def _image(self) -> bool:
        """Few volumes have any of it."""
        policy, ctx, own = self._asked
        return policy.allows(ctx, "volume_extension:volume_image_metadata:show", own)

    def links(self, volume_id: str) -> msgspec.Raw:
        return _raw(f'{self._before_id}{volume_id}{self._between_ids}{volume_id}"}}]')

    def summary(self, values: Sequence[Any]) -> Shown:
        """`values`: id and name (`volumes.NAMED`)."""
        volume_id, name = values
        return {"id": volume_id, "name": name, "links": self.links(volume_id)}

    def basic(self, values: Values) -> Shown:
        """As the answers to create and update have it."""
        shown = self._always(values)
        group_id, provider_id, shared_targets, service_id, type_id, key_id, consumes_quota = _versioned(values)
        if self._group:
            shown["group_id"] = group_id
        if self._provider:
            shown["provider_id"] = provider_id
        if self._service:
            shown["shared_targets"] = shared_targets
            shown["service_uuid"] = service_id
        if self._cluster:
            shown["cluster_name"] = None
        if self._type_id:
            shown["volume_type_id"] = type_id
        if self._key and key_id is not None:
            shown["encryption_key_id"] = key_id
        if self._quota:
            shown["consumes_quota"] = consumes_quota
        return shown

    def detail(self, values: Values) -> Shown:
        """As show and detailed lists have it."""
        shown = self.basic(values)
        project_id, migration_status, name_id, host, image_metadata = _for_operators(values)
        if self._tenant:
            shown["os-vol-tenant-attr:tenant_id"] = project_id
        if self._migration:
            shown["os-vol-mig-status-attr:migstat"] = migration_status
            shown["os-vol-mig-status-attr:name_id"] = name_id
        if self._host:
            shown["os-vol-host-attr:host"] = host
        if image_metadata != _NONE and self._image:
            shown["volume_image_metadata"] = _raw(image_metadata)
        return shown

    def _always(self, values: Values) -> Shown:
        """What callers see at every version, administrators with the status of a migration."""
        (
            volume_id,
            status,
            size,
            zone,
            created_at,
            updated_at,
            name,
            description,
            type_id,
            snapshot_id,
            source_id,
            metadata,
            admin_metadata,
            _,
            user_id,
            _,
            bootable,
            encrypted,
            replication_status,
            group_id,
            multiattach,
            attachments,
            migration_status,
            *_,
        ) = values
        shown: Shown = {
            "id": volume_id,
            "status": status,
            "size": size,
            "availability_zone": zone,
            "created_at": views.time(created_at),
            "updated_at": views.time(updated_at),
            "name": name,
            "description": description,
            "volume_type": self._names.get(type_id),
            "snapshot_id": snapshot_id,
            "source_volid": source_id,
            "metadata": _raw(metadata) if admin_metadata == _NONE else _joined(metadata, admin_metadata),
            "links": self.links(volume_id),
            "user_id": user_id,
            "bootable": "true" if bootable else "false",
            "encrypted": encrypted,
            "replication_status": replication_status,
            "consistencygroup_id": group_id,
            "multiattach": multiattach,
            "attachments": _raw(_NOWHERE) if attachments == _NOWHERE else self._attachments(attachments),
        }
        if self._admin:
            shown["migration_status"] = migration_status
        return shown

    def _attachments(self, text: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = volumes.decode(text)
        for each in found:
            each["attached_at"] = views.time(each["attached_at"])
            if not self._admin:
                each["host_name"] = None
        return found


@functools.lru_cache(maxsize=1024)
def _around_ids(base: str, project: str) -> tuple[str, str]:
    """What stands before a volume's id in its links, and between the two times that it is there. Ids need no quoting,
    the texts around them do."""
    before = _quoted([{"rel": "self", "href": f"{base}/v3{project}/volumes/"}])[:-3]
    return before, '"},' + _quoted({"rel": "bookmark", "href": f"{base}{project}/volumes/"})[:-2]


def _quoted(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _joined(metadata: str, admin_metadata: str) -> dict[str, str]:
    """The user's own, and what Volume says about how it is attached."""
    return volumes.decode(metadata) | volumes.decode(admin_metadata)
