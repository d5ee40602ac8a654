"""The disks a new server asks for (Compute API, Create Server: block_device_mapping and block_device_mapping_v2),
checked with Image and Volume as the caller before anything is entered."""

from __future__ import annotations

from typing import Any, Final, NamedTuple
from urllib.parse import quote

import msgspec
from msgspec import UNSET
from sqlalchemy.engine import Row

from cumulet.compute import peers
from cumulet.compute.domain import block_devices, servers
from cumulet.compute.handlers import server_parts, volumes
from cumulet.compute.schemas.servers import BlockDevice, LegacyDevice, ServerFields
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import Call

_BUSES: Final = frozenset({"virtio", "scsi", "ide", "sata", "usb", "fdc", "lxc", "uml", "xen", "sd"})
_MOST_LOCAL: Final = 3
_ROOT: Final = "/dev/vda"


class Disks(NamedTuple):
    """`image`: what the root disk is made from, as Image shows it; what is known of it for one on a volume.

    `rows` are for `block_devices`; a server with nothing but a local root disk has none.
    """

    image_id: str | None
    image: dict[str, Any]
    rows: list[block_devices.Device]

    @property
    def to_be_made(self) -> bool:
        """Whether volumes have to be made for the server."""
        return any(row["destination_type"] == "volume" and row["volume_id"] is None for row in self.rows)

    def short(self) -> str:
        """What the server's row says of its volumes."""
        known = [row for row in self.rows if row["volume_id"] is not None]
        return servers.encode(
            [{"id": row["volume_id"], "delete_on_termination": row["delete_on_termination"]} for row in known]
        )


def resolve(call: Call[Compute], given: ServerFields, flavor: Row[Any], count: int) -> Disks:
    """Raises BadRequest for disks that contradict each other or cannot be had."""
    image_id = str(given.image_ref).rstrip("/").rpartition("/")[2] if given.image_ref else None
    wanted = _wanted(given, image_id)
    if not wanted:
        if image_id is None:
            raise BadRequest("Missing imageRef attribute")
        image = _image(call, image_id, flavor)
        wanted = _of_image(image)
        if not wanted:
            return Disks(image_id, image, [])
        image_id = None
    root = _root(wanted)
    local_root = root.destination_type == "local"
    given_volumes = [device.uuid for device in wanted if device.source_type == "volume"]
    if len(set(given_volumes)) < len(given_volumes):
        raise _invalid("A volume is there twice.")
    if local_root and image_id is not None and root.uuid != image_id:
        raise _invalid("Mapping image to local is not supported.")
    _check_local(wanted, flavor)
    taken: list[str | None] = [_ROOT]
    rows = []
    facts: dict[str, Any] = {}
    for device in wanted:
        row, image = _row(call, device, flavor, count)
        if device is root:
            facts = image
        if device is root and local_root:
            continue
        is_root = device is root
        size = server_parts.size_of(flavor)
        row["device_name"] = _ROOT if is_root else block_devices.next_name(size, taken, device.device_name)
        taken.append(row["device_name"])
        rows.append(row)
    if local_root:
        image_id = str(root.uuid)
        return Disks(image_id, _image(call, image_id, flavor), rows)
    server_parts.require_fit({"status": "active", "id": "", **_numbers(facts)}, ram_mb=flavor.memory_mb, root_gb=0)
    return Disks(None, facts | _numbers(facts) if facts else facts, rows)


def _of_image(image: dict[str, Any]) -> list[BlockDevice]:
    """The disks that the image of a server with volumes says its servers have; most images say none."""
    text = image.get("block_device_mapping")
    if not isinstance(text, str):
        return []
    try:
        found = msgspec.json.decode(text, type=list[dict[str, Any]])
        known = set(BlockDevice.__struct_fields__)
        devices = [{key: value for key, value in one.items() if key in known and value is not None} for one in found]
        return [_of_one_name(one) for one in msgspec.convert(devices, list[BlockDevice])]
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise _invalid("The image's own block device mapping cannot be read.") from None


def _image(call: Call[Compute], image_id: str, flavor: Row[Any]) -> dict[str, Any]:
    return server_parts.image(call, image_id, ram_mb=flavor.memory_mb, root_gb=flavor.root_gb)


def _numbers(facts: dict[str, Any]) -> dict[str, int]:
    """Volume keeps an image's properties as text."""
    names = ("min_ram", "min_disk", *(["size"] if "size" in facts else []))
    return {name: int(facts.get(name) or 0) for name in names}


def _invalid(reason: str) -> BadRequest:
    return BadRequest(f"Block Device Mapping is Invalid: {reason}")


# -- what is asked for ---------------------------------------------------------------------------------------------


def _wanted(given: ServerFields, image_id: str | None) -> list[BlockDevice]:
    legacy = [one for one in given.block_device_mapping if not one.no_device]
    wanted = [_of_one_name(one) for one in given.block_device_mapping_v2 if not one.no_device]
    if legacy and given.block_device_mapping_v2:
        raise BadRequest("Using different block_device_mapping syntaxes is not allowed in the same request.")
    return _modern(legacy, image_id) if legacy else wanted


def _of_one_name(device: BlockDevice) -> BlockDevice:
    """`volume_id`, `snapshot_id` and `image_id` are older names of `uuid`."""
    for name, kind in (("volume_id", "volume"), ("snapshot_id", "snapshot"), ("image_id", "image")):
        if getattr(device, name) is not None and device.source_type in (None, kind):
            device.source_type, device.uuid = kind, getattr(device, name)  # type: ignore[assignment]
    if device.source_type is None:
        raise _invalid("Unrecognized legacy format.")
    if device.source_type == "blank" and device.uuid:
        raise _invalid("Invalid device UUID.")
    if device.source_type != "blank" and not device.uuid:
        raise _invalid("Missing device UUID.")
    if device.destination_type is None:
        device.destination_type = "local" if device.source_type in ("image", "blank") else "volume"
    return device


def _modern(legacy: list[LegacyDevice], image_id: str | None) -> list[BlockDevice]:
    """The first syntax in the second one's terms: without an image the first volume is the root disk."""
    found = []
    if image_id is not None:
        found.append(BlockDevice(source_type="image", destination_type="local", uuid=image_id, boot_index=0))
    for one in legacy:
        kind = "volume" if one.volume_id else "snapshot" if one.snapshot_id else None
        if kind is None:
            raise _invalid("Unrecognized legacy format.")
        found.append(
            BlockDevice(
                source_type=kind,  # type: ignore[arg-type]
                destination_type="volume",
                uuid=one.volume_id or one.snapshot_id,
                volume_size=one.volume_size,
                delete_on_termination=one.delete_on_termination,
                device_name=one.device_name,
                boot_index=0 if not found else None,
            )
        )
    return found


def _root(wanted: list[BlockDevice]) -> BlockDevice:
    order = sorted(one.boot_index for one in wanted if one.boot_index is not None and one.boot_index >= 0)
    if not order or order != list(range(len(order))):
        raise _invalid("Boot sequence for the instance and image/block device mapping combination is not valid.")
    return next(one for one in wanted if one.boot_index == 0)


def _check_local(wanted: list[BlockDevice], flavor: Row[Any]) -> None:
    local = [one for one in wanted if one.destination_type == "local"]
    for one in local:
        if one.source_type in ("volume", "snapshot") or (one.source_type == "image" and one.boot_index != 0):
            raise _invalid("Mapping image to local is not supported.")
        if one.volume_type is not None:
            raise _invalid("Specifying a volume_type with destination_type=local is not supported.")
    if len(local) > _MOST_LOCAL:
        raise _invalid("You specified more local devices than the limit allows")
    blank = [one for one in local if one.source_type == "blank"]
    swaps = [one for one in blank if one.guest_format == "swap"]
    if len(swaps) > 1:
        raise _invalid("More than one swap drive requested.")
    if swaps and (swaps[0].volume_size or 0) > flavor.swap_mb:
        raise _invalid("Swap drive requested is larger than instance type allows.")
    others = sum(one.volume_size or flavor.ephemeral_gb for one in blank if one not in swaps)
    if others > flavor.ephemeral_gb:
        raise _invalid(
            "Ephemeral disks requested are larger than the instance type allows. If no size is given in one block "
            "device mapping, flavor ephemeral size will be used."
        )


# -- each of them --------------------------------------------------------------------------------------------------


def _row(
    call: Call[Compute], device: BlockDevice, flavor: Row[Any], count: int
) -> tuple[block_devices.Device, dict[str, Any]]:
    """The device's columns, and what is known of the image on it."""
    _check_versions(call, device)
    if device.disk_bus is not None and device.disk_bus not in _BUSES:
        raise _invalid(f"Invalid disk_bus: {device.disk_bus}.")
    size = device.volume_size
    image: dict[str, Any] = {}
    volume_id = snapshot_id = image_id = None
    if device.source_type == "volume":
        volume_id = str(device.uuid)
        size, image = _volume(call, device, count)
    elif device.source_type == "snapshot":
        snapshot_id = str(device.uuid)
        found = _snapshot(call, snapshot_id)
        size = device.volume_size or found["size"]
        image = _image_under(call, found) if device.boot_index == 0 else {}
    elif device.source_type == "image" and device.destination_type == "volume":
        image_id = str(device.uuid)
        image = _image_for_volume(call, device, flavor)
    elif device.source_type == "blank" and device.destination_type == "volume" and not device.volume_size:
        raise _invalid("Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size")
    if device.volume_type is not None:
        _require_type(call, device)
    return {
        "source_type": device.source_type,
        "destination_type": device.destination_type,
        "device_type": device.device_type,
        "disk_bus": device.disk_bus,
        "guest_format": device.guest_format,
        "boot_index": device.boot_index,
        "delete_on_termination": device.delete_on_termination,
        "image_id": image_id,
        "snapshot_id": snapshot_id,
        "volume_id": volume_id,
        "volume_type": device.volume_type,
        "volume_size": size,
        "tag": None if device.tag is UNSET else device.tag,
        "encrypted": False,
    }, image


def _check_versions(call: Call[Compute], device: BlockDevice) -> None:
    if device.tag is not UNSET and call.version != (2, 32) and call.version < (2, 42):
        raise BadRequest("Additional properties are not allowed ('tag' was unexpected)")
    if device.volume_type is not None and call.version < (2, 67):
        raise BadRequest("Additional properties are not allowed ('volume_type' was unexpected)")


def _volume(call: Call[Compute], device: BlockDevice, count: int) -> tuple[int, dict[str, Any]]:
    if device.volume_type is not None:
        raise _invalid("Specifying volume type to existing volume is not supported.")
    if device.destination_type != "volume":
        raise _invalid("Mapping image to local is not supported.")
    if count > 1:
        raise BadRequest("Cannot attach one or more volumes to multiple instances")
    try:
        found = volumes.load(call, str(device.uuid))
    except NotFound:
        raise _invalid(f"failed to get volume {device.uuid}.") from None
    volumes.require_attachable(call, found)
    if device.boot_index == 0 and found["bootable"] != "true":
        raise _invalid(f"Block Device {found['id']} is not bootable.")
    image: dict[str, Any] = found.get("volume_image_metadata") or {}
    if _numbers(image)["min_disk"] > found["size"]:
        raise BadRequest(f"Volume is smaller than the minimum size specified in image metadata. Volume size is "
                         f"{found['size']} GB, minimum size is {image['min_disk']} GB.")  # fmt: skip
    return found["size"], image


def _snapshot(call: Call[Compute], snapshot_id: str) -> dict[str, Any]:
    answer = peers.ask(call, "volume", "GET", f"/snapshots/{quote(snapshot_id, safe='')}", headers=volumes.HEADERS)
    if answer.status == 404:
        raise _invalid(f"failed to get snapshot {snapshot_id}.")
    found: dict[str, Any] = peers.require(answer)["snapshot"]
    return found


def _image_under(call: Call[Compute], snapshot: dict[str, Any]) -> dict[str, Any]:
    """What is known of the image that a snapshot's volume was made from; nothing of a volume that is gone."""
    try:
        known: dict[str, Any] = volumes.load(call, snapshot["volume_id"]).get("volume_image_metadata") or {}
    except NotFound:
        return {}
    return known


def _image_for_volume(call: Call[Compute], device: BlockDevice, flavor: Row[Any]) -> dict[str, Any]:
    if not device.volume_size:
        raise _invalid("Images with destination_type 'volume' need to have a non-zero size specified")
    try:
        found = server_parts.image(call, str(device.uuid), ram_mb=flavor.memory_mb, root_gb=0)
    except BadRequest as error:
        if "Can not find" in error.message or "imageRef" in error.message:
            raise _invalid(f"failed to get image {device.uuid}.") from None
        raise
    if (found.get("min_disk") or 0) > device.volume_size:
        raise BadRequest(f"Volume is smaller than the minimum size specified in image metadata. Volume size is "
                         f"{device.volume_size} GB, minimum size is {found['min_disk']} GB.")  # fmt: skip
    return found


def _require_type(call: Call[Compute], device: BlockDevice) -> None:
    types = peers.require(peers.ask(call, "volume", "GET", "/types", headers=volumes.HEADERS))["volume_types"]
    if device.volume_type not in {one[key] for one in types for key in ("id", "name")}:
        raise BadRequest(f"The volume type {device.volume_type} could not be found.")
