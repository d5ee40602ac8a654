"""Where disks and cards are in the machine, as its guest finds them.

Firmware numbers the buses behind PCIe ports in the ports' order, and every port has one device.
"""

from __future__ import annotations

import base64
from typing import Any, Final

import msgspec

from cumulet.agents.compute.folders import Record
from cumulet.agents.compute.protocols import Guest
from cumulet.agents.compute.qemu import command

_PORT: Final = "port"
Address = dict[str, str]


def of(record: Record) -> dict[str, Address]:
    """By volume and port id. Disks on a bus without addresses that mean something to guests are left out."""
    devices = [(drive.volume_id, command.device_of(drive, record)) for drive in record.drives]
    devices += [(card.port_id, command.card_device(card, record)) for card in record.cards]
    found = {name: _address(device) for name, device in devices if name is not None}
    return {name: address for name, address in found.items() if address is not None}


def _address(device: dict[str, Any]) -> Address | None:
    bus = str(device.get("bus", ""))
    if bus.startswith(_PORT):
        return {"bus": "pci", "address": f"0000:{int(bus.removeprefix(_PORT)) + 1:02x}:00.0"}
    if bus.startswith("pci"):
        return {"bus": "pci", "address": f"0000:00:{int(device['addr'], 16):02x}.0"}
    if bus.startswith("scsi"):
        return {"bus": "scsi", "address": f"0:0:{device['scsi-id']}:0"}
    if bus.startswith("ide"):
        return {"bus": "ide", "address": f"0:{bus.removeprefix('ide.')}"}
    return None


def filled(record: Record) -> Guest:
    """The guest whose config drive tells where its tagged devices are, as the metadata service does."""
    places = of(record)
    known: dict[str | None, Address] = {card.mac: places[card.port_id] for card in record.cards}
    known |= {drive.volume_id: places[drive.volume_id] for drive in record.drives if drive.volume_id in places}
    drive = {path: _filled(path, text, known) for path, text in record.guest.drive.items()}
    return msgspec.structs.replace(record.guest, drive=drive)


def _filled(path: str, text: str, known: dict[str | None, Address]) -> str:
    if not (path.startswith("openstack/") and path.endswith("/meta_data.json")):
        return text
    document = msgspec.json.decode(base64.b64decode(text))
    if not document.get("devices"):
        return text
    for device in document["devices"]:
        device.update(known.get(device.get("mac") or device.get("serial"), {}))
    return base64.b64encode(msgspec.json.encode(document)).decode()
