"""A server as its host needs to know it (`agents.compute.protocols.Guest`): for a boot, a rebuild, a rescue, a move."""

from __future__ import annotations

import base64
from typing import Any, Final

from sqlalchemy.engine import Row

from cumulet.compute.clients import vendor_data
from cumulet.compute.clients.surroundings import with_surroundings
from cumulet.compute.domain import block_devices, servers
from cumulet.compute.domain.instance_documents import Facts, documents
from cumulet.compute.jobs import disks
from cumulet.compute.service import Compute
from cumulet.kernel.jobs import Retry

Guest = dict[str, Any]
_DATA: Final = frozenset(
    {"id", "image_id", "disk_format", "container_format", "size", "virtual_size", "checksum", "os_hash_algo",
     "os_hash_value", "file", "self", "schema", "status"}
)  # fmt: skip
"""What is said of an image's data, which a server on a volume does not use."""


def describe(compute: Compute, row: Row[Any], *, admin_password: str | None = None) -> Guest:
    """Everything about it but what a caller adds or replaces (another image, a machine that was chosen before).

    Raises Retry while a service that is asked for its config drive does not answer.
    """
    pairs = servers.decode(row.key_pairs)
    guest: Guest = {
        "id": row.id,
        "name": row.name,
        "hostname": row.hostname,
        "number": row.number,
        "flavor": servers.decode(row.flavor),
        "image_id": row.image_id,
        "image": _image(row),
        "volumes": disks.present(compute, row.id),
        "vifs": [vif_of(vif) for vif in servers.decode(row.addresses)],
        "config_drive": row.config_drive,
        "admin_password": admin_password,
        "key_data": pairs[0]["public_key"] if pairs and pairs[0]["type"] == "ssh" else None,
        "user_data": servers.decode(row.user_data),
    }
    if row.config_drive:
        with compute.db.read() as connection:
            devices = block_devices.of_server(connection, row.id)
        facts = Facts(
            row,
            dhcp_domain=compute.conf.api.dhcp_domain,
            devices=devices,
            admin_password=admin_password if compute.conf.api.enable_instance_password else None,
            with_files=True,
        )
        try:
            facts = with_surroundings(compute, facts)
        except vendor_data.VendorDataUnavailable as error:
            raise Retry(2.0, str(error)) from None
        guest["drive"] = {path: base64.b64encode(data).decode() for path, data in documents(facts).items()}
    return guest


def _image(row: Row[Any]) -> dict[str, Any]:
    """The image; of one that is on a volume, what it wants of a machine (firmware, buses, kernel)."""
    known: dict[str, Any] = servers.decode(row.image_properties)
    if row.image_id is not None:
        return known
    return {name: value for name, value in known.items() if name not in _DATA}


def vif_of(vif: dict[str, Any]) -> dict[str, Any]:
    """A VIF of the server's row with the names hosts have for its parts."""
    return vif | {"mac_address": vif["mac"], "device_name": "tap" + vif["id"][:11]}
