"""The volumes of a server on a host: made, reserved, exported to it, given back. Every step may be repeated."""

from __future__ import annotations

import logging
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Row

from cumulet.compute.clients import volume
from cumulet.compute.domain import block_devices, servers
from cumulet.compute.service import Compute
from cumulet.compute.tables import compute_nodes
from cumulet.kernel.jobs import GiveUp, Job, Retry

log = logging.getLogger(__name__)
_LOOK_S = 0.2
HOST: Final = "compute_host"  # to which host a stored connection leads
LEFT: Final = "left"
"""With a stored connection: the attachment and the connection to the host that the server may still return to."""
_FAILED = ("error", "error_extending", "error_managing")


def connector(compute: Compute, host: str, device: str | None = None) -> dict[str, Any]:
    """A host as Volume's exports need to know it (Block Storage API, Update attachment)."""
    with compute.db.read() as connection:
        query = sa.select(compute_nodes.c.host_ip).where(compute_nodes.c.host == host)
        address = connection.execute(query).scalars().first()
    return {
        "host": host,
        "ip": address or "127.0.0.1",
        "platform": "x86_64",
        "os_type": "linux",
        "multipath": False,
        "mountpoint": device,
    }


def present(compute: Compute, server_id: str) -> list[dict[str, Any]]:
    """The server's volumes that are exported to its host."""
    with compute.db.read() as connection:
        devices = block_devices.of_server(connection, server_id)
    return [disk(device) for device in devices if device.connection_info is not None]


def disk(device: Row[Any]) -> dict[str, Any]:
    """A volume as the host's driver takes it (`agents.compute.protocols.Disk`)."""
    return {
        "volume_id": device.volume_id,
        "device": device.device_name or "/dev/vdb",
        "connection": _plain(servers.decode(device.connection_info)),
        "boot_index": device.boot_index,
        "bus": device.disk_bus,
        "device_type": device.device_type,
        "tag": device.tag,
        "serial": device.volume_id,
        "size_gb": device.volume_size,
    }


def _plain(known: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in known.items() if name != LEFT}


def _change(job: Job, compute: Compute, device: Row[Any], **values: Any) -> Row[Any]:
    with compute.db.write() as connection:
        job.fence(connection)
        block_devices.change(connection, device.id, **values)
        if "volume_id" in values:
            block_devices.tell_server(compute, connection, device.server_id)
        row = block_devices.by_id(connection, device.id)
    if row is None:
        raise GiveUp("The disk is not the server's any more.")
    return row


# -- there ---------------------------------------------------------------------------------------------------------


def connect_new(job: Job, compute: Compute, row: Row[Any], host: str, token: str | None) -> bool:
    """Have every volume of a server that is being built made and exported to this host, with the connection in its row.
    Whether it has any.

    `token` is the user's, for volumes that have to be made. Raises Retry while one is being made, GiveUp.
    """
    with compute.db.read() as connection:
        devices = block_devices.volumes_of(connection, row.id)
    devices = [_made(job, compute, row, device, token) for device in devices]
    for device in devices:
        connect_one(job, compute, _ready(job, compute, device), host)
    return bool(devices)


def connect(job: Job, compute: Compute, row: Row[Any], host: str) -> None:
    """Have every volume of the server exported to this host too. Raises GiveUp."""
    for device in _reserved(compute, row.id):
        connect_one(job, compute, device, host)


def _reserved(compute: Compute, server_id: str) -> list[Row[Any]]:
    """Without those that are about to be plugged in: whoever asked for one is still having it reserved."""
    with compute.db.read() as connection:
        return [one for one in block_devices.volumes_of(connection, server_id) if one.attachment_id is not None]


def _made(job: Job, compute: Compute, row: Row[Any], device: Row[Any], token: str | None) -> Row[Any]:
    if device.volume_id is not None:
        return device
    # Looked for in every run: one that waited or lost its lease counts as none, and may have asked already.
    made = volume.find(compute.session, device.id)
    if made is None:
        if token is None:
            raise GiveUp("Whoever asked for the server is not known any more, so its volume cannot be made.")
        values: dict[str, Any] = {"size": device.volume_size, "name": "", "description": ""}
        for name, value in (
            ("imageRef", device.image_id if device.source_type == "image" else None),
            ("snapshot_id", device.snapshot_id),
            ("volume_type", device.volume_type),
        ):
            if value is not None:
                values[name] = value
        made = volume.create(compute.session, token, row.project_id, device.id, values)
    return _change(job, compute, device, volume_id=made["id"], volume_size=made["size"])


def _ready(job: Job, compute: Compute, device: Row[Any]) -> Row[Any]:
    """Wait until a volume that was made for the server is there."""
    if device.source_type == "volume" or device.attachment_id is not None:
        return device
    while True:
        found = volume.volume(compute.session, device.volume_id)
        if found is None:
            raise GiveUp(f"Volume {device.volume_id} could not be found.")
        if found["status"] in _FAILED:
            raise GiveUp(f"Volume {device.volume_id} could not be made.")
        if found["status"] in ("available", "in-use", "reserved"):
            return device
        if job.remaining_s() <= _LOOK_S:
            raise Retry(_LOOK_S, f"Volume {device.volume_id} is {found['status']}.")
        job.wait(_LOOK_S)


def connect_one(job: Job, compute: Compute, device: Row[Any], host: str) -> Row[Any]:
    """Reserve one volume and have it exported to the host.

    One that is exported to another host gets a second attachment, which its row has from now on. The first stays as it
    is, for a server that comes back or never left; `let_go` ends it when the guest is not there any more.
    """
    known = servers.decode(device.connection_info)
    if known is not None and known[HOST] == host:
        return device
    left = None if known is None else known.get(LEFT)
    if left is not None and left["connection_info"][HOST] == host:
        stored = servers.encode(left["connection_info"])
        return _change(job, compute, device, attachment_id=left["attachment_id"], connection_info=stored)
    if device.attachment_id is None:
        device = reserve(job, compute, device)
    attachment_id = device.attachment_id
    stays: dict[str, Any] = {}
    if known is not None:
        attachment_id = volume.attach(compute.session, device.volume_id, device.server_id)["id"]
        stays = {LEFT: left or {"attachment_id": device.attachment_id, "connection_info": known}}
    info = volume.connect(compute.session, attachment_id, connector(compute, host, device.device_name))
    values = {"attachment_id": attachment_id, "connection_info": servers.encode(info | {HOST: host} | stays)}
    return _change(job, compute, device, **values)


def reserve(job: Job, compute: Compute, device: Row[Any]) -> Row[Any]:
    found = volume.attachments(compute.session, device.server_id, device.volume_id)
    made = found[0] if found else volume.attach(compute.session, device.volume_id, device.server_id)
    return _change(job, compute, device, attachment_id=made["id"])


def complete(job: Job, compute: Compute, row: Row[Any]) -> None:
    """The guest has all that are exported to its host."""
    for device in _reserved(compute, row.id):
        job.check()
        if device.connection_info is not None:
            volume.complete(compute.session, device.attachment_id)


# -- elsewhere -----------------------------------------------------------------------------------------------------


def let_go(job: Job, compute: Compute, row: Row[Any]) -> None:
    """End the attachments that are not in the rows: those of a host the server left, or never came to."""
    with compute.db.read() as connection:
        devices = block_devices.volumes_of(connection, row.id)
    if not devices:
        return
    for device in devices:
        known = servers.decode(device.connection_info)
        if known is not None and LEFT in known:
            _change(job, compute, device, connection_info=servers.encode(_plain(known)))
    kept = {device.attachment_id for device in devices}
    coming = {device.volume_id for device in devices if device.attachment_id is None}
    for one in volume.attachments(compute.session, row.id):
        job.check()
        if one["id"] not in kept and one["volume_id"] not in coming:
            volume.detach(compute.session, one["id"])


# -- gone ----------------------------------------------------------------------------------------------------------


def disconnect(job: Job, compute: Compute, row: Row[Any]) -> None:
    """After the guest: end every attachment of the server, and delete the volumes that go with it."""
    with compute.db.read() as connection:
        devices = block_devices.volumes_of(connection, row.id)
    if not devices:
        return
    for one in volume.attachments(compute.session, row.id):
        job.check()
        volume.detach(compute.session, one["id"])
    for device in devices:
        volume_id = device.volume_id
        if volume_id is None:
            # Made by a job that was interrupted before it could write so.
            made = volume.find(compute.session, device.id)
            volume_id = None if made is None else made["id"]
        if volume_id is not None and (device.delete_on_termination or device.volume_id is None):
            job.check()
            reason = volume.delete(compute.session, volume_id)
            if reason is not None:
                log.warning("volume %s of server %s was not deleted: %s", volume_id, row.id, reason)


def forget_connections(job: Job, compute: Compute, row: Row[Any]) -> None:
    """For a server that leaves its host and keeps its volumes (shelved, offloaded): reserved, and exported nowhere."""
    with compute.db.read() as connection:
        devices = [one for one in block_devices.volumes_of(connection, row.id) if one.volume_id is not None]
    for device in devices:
        forget_connection(job, compute, device)


def forget_connection(job: Job, compute: Compute, device: Row[Any]) -> Row[Any]:
    """Have one volume reserved for its server, and exported nowhere."""
    job.check()
    if device.connection_info is not None:
        made = volume.attach(compute.session, device.volume_id, device.server_id)["id"]
        device = _change(job, compute, device, attachment_id=made, connection_info=None)
    for one in volume.attachments(compute.session, device.server_id, device.volume_id):
        if one["id"] != device.attachment_id:
            volume.detach(compute.session, one["id"])
    return device


def reimage(job: Job, compute: Compute, device: Row[Any], image_id: str) -> None:
    """Have a volume that is exported nowhere filled from an image. Raises GiveUp when Volume cannot, or will not."""
    asked = False
    while True:
        found = volume.volume(compute.session, device.volume_id)
        if found is None:
            raise GiveUp(f"Volume {device.volume_id} could not be found.")
        if found["status"] != "downloading":
            if asked and found["status"] in _FAILED:
                raise GiveUp(f"Volume {device.volume_id} could not be filled from image {image_id}.")
            if asked:
                return
            # One that an interrupted run asked for may have ended just now: filling it again does no harm.
            volume.reimage(compute.session, device.volume_id, image_id)
            asked = True
        job.wait(_LOOK_S)
