"""`block_device_mapping_v2` of a new server (Compute API, Create Server): which image its root disk is made from."""

from __future__ import annotations

from cumulet.compute.schemas.servers import BlockDevice, ServerFields
from cumulet.kernel.errors import BadRequest


def root_image(given: ServerFields) -> str | None:
    """The image to boot from: `imageRef`, or the mapping of an image to the local root disk, which clients send too.

    Raises BadRequest for mappings that contradict each other, and for those that need volumes: there are none yet.
    """
    image = str(given.image_ref).rstrip("/").rpartition("/")[2] if given.image_ref else None
    roots = [device for device in given.block_device_mapping_v2 if device.boot_index == 0]
    if len(roots) > 1:
        raise _invalid("Boot sequence for the instance and image/block device mapping combination is not valid.")
    for device in given.block_device_mapping_v2:
        _require_local_image(device)
    if not roots:
        return image
    if image is not None and roots[0].uuid != image:
        raise _invalid("Mapping image to local is not supported.")
    return roots[0].uuid


def _require_local_image(device: BlockDevice) -> None:
    if device.destination_type == "volume" or device.source_type in ("volume", "snapshot"):
        raise _invalid("This cloud has no Volume service, so a server cannot be given volumes.")
    if device.source_type == "blank":
        raise _invalid("Blank local disks come with the flavor: give it ephemeral or swap space instead.")
    if device.boot_index != 0:
        raise _invalid("Mapping image to local is not supported.")
    if not device.uuid:
        raise _invalid("Missing device UUID.")


def _invalid(reason: str) -> BadRequest:
    return BadRequest(f"Block Device Mapping is Invalid: {reason}")
