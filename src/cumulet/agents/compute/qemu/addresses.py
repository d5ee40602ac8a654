"""Where disks and cards are in the machine, as its guest finds them.

Firmware numbers the buses behind PCIe ports in the ports' order, and every port has one device.
"""

from __future__ import annotations

from typing import Any, Final

from cumulet.agents.compute.folders import Record
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
