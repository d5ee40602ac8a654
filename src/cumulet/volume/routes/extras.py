"""Messages, QoS specs, encryption of types and volumes, managing what was there before."""

from __future__ import annotations

from cumulet.kernel.http import Route
from cumulet.volume.handlers import encryption, manageable, messages, qos_specs

_QOS = "/v3/qos-specs/{qos_id}"
_ENCRYPTION = "/v3/types/{type_id}/encryption"
ROUTES = (
    Route("GET", "/v3/messages", messages.index, since=(3, 3)),
    Route("GET", "/v3/messages/{message_id}", messages.show, since=(3, 3)),
    Route("DELETE", "/v3/messages/{message_id}", messages.delete, since=(3, 3)),
    Route("GET", "/v3/qos-specs", qos_specs.index),
    Route("POST", "/v3/qos-specs", qos_specs.create),
    Route("GET", _QOS, qos_specs.show),
    Route("PUT", _QOS, qos_specs.update),
    Route("DELETE", _QOS, qos_specs.delete),
    Route("PUT", f"{_QOS}/delete_keys", qos_specs.unset),
    Route("GET", f"{_QOS}/associations", qos_specs.associations),
    Route("GET", f"{_QOS}/associate", qos_specs.associate),
    Route("GET", f"{_QOS}/disassociate", qos_specs.disassociate),
    Route("GET", f"{_QOS}/disassociate_all", qos_specs.disassociate_all),
    Route("GET", _ENCRYPTION, encryption.index),
    Route("POST", _ENCRYPTION, encryption.create),
    Route("GET", f"{_ENCRYPTION}/{{key}}", encryption.show),
    Route("PUT", f"{_ENCRYPTION}/{{key}}", encryption.update),
    Route("DELETE", f"{_ENCRYPTION}/{{key}}", encryption.delete),
    Route("GET", "/v3/volumes/{volume_id}/encryption", encryption.of_volume),
    Route("GET", "/v3/volumes/{volume_id}/encryption/{key}", encryption.of_volume_item),
    Route("POST", "/v3/os-volume-manage", manageable.manage),
    Route("GET", "/v3/os-volume-manage", manageable.index),
    Route("GET", "/v3/os-volume-manage/detail", manageable.detail),
    Route("POST", "/v3/manageable_volumes", manageable.manage, since=(3, 8)),
    Route("GET", "/v3/manageable_volumes", manageable.index, since=(3, 8)),
    Route("GET", "/v3/manageable_volumes/detail", manageable.detail, since=(3, 8)),
    Route("POST", "/v3/os-snapshot-manage", manageable.manage_snapshot),
    Route("GET", "/v3/os-snapshot-manage", manageable.snapshot_index),
    Route("GET", "/v3/os-snapshot-manage/detail", manageable.snapshot_detail),
    Route("POST", "/v3/manageable_snapshots", manageable.manage_snapshot, since=(3, 8)),
    Route("GET", "/v3/manageable_snapshots", manageable.snapshot_index, since=(3, 8)),
    Route("GET", "/v3/manageable_snapshots/detail", manageable.snapshot_detail, since=(3, 8)),
)
