"""What a guest's disks may do in a second, in bytes and requests: flavors say it of local disks, QoS specs of volumes.

QEMU holds the device to it and not what is below, so that a disk stays limited when it goes on in another file.
Sources: Nova's extra specs quota:disk_*, Cinder's front-end QoS specs, QEMU's QMP reference (block_set_io_throttle).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, Final

from cumulet.agents.compute.protocols import Disk

_OF_FLAVOR: Final = "quota:disk_"
_RATES: Final = {"total": "", "read": "_rd", "write": "_wr"}
_UNITS: Final = {"bytes": "bps", "iops": "iops"}
_BURSTS: Final = ("", "_max", "_max_length")
_NAMES: Final = {
    f"{rate}_{unit}_sec{burst}": f"{_UNITS[unit]}{_RATES[rate]}{burst}"
    for rate, unit, burst in itertools.product(_RATES, _UNITS, _BURSTS)
} | {"size_iops_sec": "iops_size"}
"""QEMU's name by the field's. `_max` is what a burst may reach, `_max_length` for how many seconds."""
NONE: Final = {f"{unit}{rate}": 0 for unit, rate in itertools.product(_UNITS.values(), _RATES.values())}
"""What QEMU has to be told in any case; 0 is no limit."""


def of_flavor(flavor: Mapping[str, Any]) -> dict[str, int]:
    """Of each local disk, by QEMU's names. Raises ValueError that names the extra spec."""
    specs = flavor.get("extra_specs") or {}
    own = {key.removeprefix(_OF_FLAVOR): value for key, value in specs.items() if key.startswith(_OF_FLAVOR)}
    return _of(own, _OF_FLAVOR)


def of_volume(disk: Disk) -> dict[str, int]:
    """What Volume says of it; keys that are not a hypervisor's are read over."""
    return _of((disk.connection.get("data") or {}).get("qos_specs") or {}, f"volume {disk.volume_id}: QoS spec ")


def _of(given: Mapping[str, Any], prefix: str) -> dict[str, int]:
    found = {}
    for name, value in given.items():
        if name not in _NAMES:
            continue
        if not str(value).isdigit():
            raise ValueError(f"{prefix}{name}: {value!r} is not a whole number")
        if int(value):
            found[_NAMES[name]] = int(value)
    for unit in _UNITS.values():
        if unit in found and found.keys() & {f"{unit}_rd", f"{unit}_wr"}:
            raise ValueError(f"{prefix}…: a limit of the total cannot be set beside one of reads or writes")
    return found
