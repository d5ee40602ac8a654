"""What the extra specs of flavors may say, since 2.86 (Compute, Extra Specs; REST API version history).

Keys of namespaces that are the original's must be known and their values must fit; others are an operator's own.
"""

from __future__ import annotations

import functools
import re
from typing import Final, NamedTuple

import os_resource_classes
import os_traits
from oslo_utils import strutils

from cumulet.kernel.errors import BadRequest


class Kind(NamedTuple):
    """What a value is: one of these words, of this form, a boolean, or a whole number within bounds; else any text."""

    words: tuple[str, ...] = ()
    form: str | None = None
    boolean: bool = False
    whole: bool = False
    least: int | None = None
    most: int | None = None

    def wrong(self, value: str) -> str | None:
        """What is wrong with a value, if something is."""
        if self.words and value not in self.words:
            return f"'{value}' is not one of: {', '.join(self.words)}."
        if self.form is not None and re.fullmatch(self.form, value) is None:
            return f"'{value}' is not of the format '{self.form}'."
        if self.boolean and not strutils.is_valid_boolstr(value):
            return f"'{value}' is not a valid boolean-like value."
        return self._wrong_number(value) if self.whole else None

    def _wrong_number(self, value: str) -> str | None:
        if re.fullmatch(r"\s*[+-]?\d{1,18}\s*", value) is None:
            return f"'{value}' is not a valid integer value."
        if self.least is not None and int(value) < self.least:
            return f"'{value}' is less than the min value of '{self.least}'."
        if self.most is not None and int(value) > self.most:
            return f"'{value}' is greater than the max value of '{self.most}'."
        return None


_TEXT, _FLAG, _NUMBER = Kind(), Kind(boolean=True), Kind(whole=True)
_COUNT, _SOME = Kind(whole=True, least=0), Kind(whole=True, least=1)
_PROCESSORS = Kind(form=r"\^?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*")
_LEVEL = Kind(words=("custom", "high", "normal", "low"))
_GROUP: Final = r"([a-zA-Z0-9_-]{1,64})?"
_OWN_NAME: Final = r"CUSTOM_[A-Z0-9_]+"
_PLAIN_CAPABILITIES: Final = (
    *("aggregates", "cell_uuid", "cpu_allocation_ratio", "current_workload", "disk_allocation_ratio"),
    *("disk_available_least", "disk_mb_used", "failed_builds", "free_disk_gb", "free_disk_mb", "free_ram_mb", "host"),
    *("host_ip", "hypervisor_hostname", "hypervisor_type", "hypervisor_version", "id", "local_gb", "local_gb_used"),
    *("mapped", "memory_mb", "memory_mb_used", "num_instances", "num_io_ops", "ram_allocation_ratio", "running_vms"),
    *("service_id", "total_usable_disk_gb", "total_usable_ram_mb", "updated", "uuid", "vcpus", "vcpus_total"),
    "vcpus_used",
)
_DEEP_CAPABILITIES: Final = (
    *("cpu_info", "instances", "limits", "metrics", "nodename", "numa_topology", "pci_device_pools", "pci_stats"),
    *("stats", "supported_hv_specs", "supported_instances"),
)
_KNOWN: Final[dict[str, Kind]] = {
    "accel:device_profile": _TEXT,
    "group_policy": Kind(words=("isolate", "none")),
    "hide_hypervisor_id": _FLAG,
    **{
        f"hw:{name}": _FLAG
        for name in (
            *("boot_menu", "cpu_realtime", "ephemeral_encryption", "hide_hypervisor_id", "locked_memory"),
            *("mem_encryption", "pmu", "vif_multiqueue_enabled", "virtio_packed_ring"),
        )
    },
    **{
        f"hw:{name}": _SOME
        for name in (
            *("cpu_cores", "cpu_sockets", "cpu_threads", "cpu_max_cores", "cpu_max_sockets", "cpu_max_threads"),
            "numa_nodes",
        )
    },
    **dict.fromkeys(("hw:cpu_dedicated_mask", "hw:cpu_realtime_mask"), _PROCESSORS),
    "hw:cpu_policy": Kind(words=("dedicated", "shared", "mixed")),
    "hw:cpu_thread_policy": Kind(words=("prefer", "isolate", "require")),
    "hw:emulator_threads_policy": Kind(words=("isolate", "share")),
    "hw:ephemeral_encryption_format": Kind(words=("plain", "luks", "luksv2")),
    "hw:mem_encryption_model": Kind(words=("amd-sev", "amd-sev-es", "amd-sev-snp", "intel-tdx")),
    "hw:mem_page_size": Kind(form=r"(large|small|any|\d+([kKMGT]i?)?(b|bit|B)?)"),
    "hw:pci_numa_affinity_policy": Kind(words=("required", "preferred", "legacy", "socket")),
    "hw:pmem": Kind(form=r"[a-zA-Z0-9_]+(,[a-zA-Z0-9_]+)*,?"),
    "hw:redirected_usb_ports": Kind(whole=True, least=0, most=15),
    "hw:serial_port_count": _COUNT,
    "hw:sound_model": Kind(words=("sb16", "es1370", "pcspk", "ac97", "ich6", "ich9", "usb", "virtio")),
    "hw:tpm_model": Kind(words=("tpm-tis", "tpm-crb")),
    "hw:tpm_secret_security": Kind(words=("user", "host", "deployment")),
    "hw:tpm_version": Kind(words=("1.2", "2.0")),
    "hw:usb_model": Kind(words=("none", "nec-xhci", "qemu-xhci")),
    "hw:viommu_model": Kind(words=("intel", "smmuv3", "virtio", "auto")),
    "hw:watchdog_action": Kind(words=("none", "pause", "poweroff", "reset", "disabled")),
    "hw_rng:allowed": _FLAG,
    "hw_rng:rate_bytes": _COUNT,
    "hw_rng:rate_period": _COUNT,
    "hw_video:ram_max_mb": _COUNT,
    "os:secure_boot": Kind(words=("disabled", "required")),
    "pci_passthrough:alias": Kind(form=r"[^:]+:\d+(?:\s*,\s*[^:]+:\d+)*"),
    **{
        f"quota:{name}": _COUNT
        for name in (
            *("cpu_limit", "cpu_period", "cpu_shares", "cpu_shares_share", "disk_io_limit", "disk_io_shares_share"),
            *(f"disk_{way}_{what}_sec" for way in ("read", "write", "total") for what in ("bytes", "iops")),
            *("memory_limit", "memory_shares_share", "vif_limit", "vif_shares_share"),
            *(f"vif_{way}_{what}" for way in ("inbound", "outbound") for what in ("average", "burst", "peak")),
        )
    },
    "quota:cpu_quota": _NUMBER,
    **{f"quota:{name}_reservation": _NUMBER for name in ("cpu", "disk_io", "memory", "vif")},
    **{f"quota:{name}_shares_level": _LEVEL for name in ("cpu", "disk_io", "memory", "vif")},
    **{f"vmware:{name}": _TEXT for name in ("hw_version", "storage_policy")},
    **{f"capabilities:{name}": _TEXT for name in _PLAIN_CAPABILITIES},
}
_FORMS: Final = (
    (re.compile(r"aggregate_instance_extra_specs:.+"), _TEXT),
    (re.compile(rf"capabilities:({'|'.join(_DEEP_CAPABILITIES)})(:\w+)*"), _TEXT),
    (re.compile(r"hw:numa_cpus\.\d+"), _PROCESSORS),
    (re.compile(r"hw:numa_mem\.\d+"), _SOME),
    (re.compile(rf"resources{_GROUP}:({'|'.join(os_resource_classes.STANDARDS)}|{_OWN_NAME})"), _NUMBER),
)
_TRAIT: Final = re.compile(rf"trait{_GROUP}:(.+)")
_TRAIT_WORDS: Final = Kind(words=("required", "forbidden"))
_OURS: Final = re.compile(
    r"(accel|aggregate_instance_extra_specs|capabilities|hw|hw_rng|hw_video|os|pci_passthrough|quota|vmware"
    rf"|resources{_GROUP}|trait{_GROUP}):.*"
)


def require_valid(specs: dict[str, str]) -> None:
    """Raises BadRequest for a key or a value that the original's namespaces do not have."""
    for key, value in specs.items():
        kind = _kind(key)
        if kind is None and _OURS.fullmatch(key):
            raise BadRequest(f"Validation failed; extra spec '{key}' does not appear to be a valid extra spec.")
        wrong = kind.wrong(value) if kind else None
        if wrong:
            raise BadRequest(f"Validation failed; {wrong}")


def _kind(key: str) -> Kind | None:
    if key in _KNOWN:
        return _KNOWN[key]
    trait = _TRAIT.fullmatch(key)
    if trait is not None and (trait[2] in _traits() or re.fullmatch(_OWN_NAME, trait[2])):
        return _TRAIT_WORDS
    return next((kind for form, kind in _FORMS if form.fullmatch(key)), None)


@functools.cache
def _traits() -> frozenset[str]:
    return frozenset(os_traits.get_traits())
