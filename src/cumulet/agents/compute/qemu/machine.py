"""What a guest's machine is to be: its image's properties, its flavor's extra specs and the host decide, once.

Sources: Glance image properties (hw_*), Nova flavor extra specs (hw:*), as in the published lists of both.
"""

from __future__ import annotations

from typing import Any, Final

from cumulet.agents.compute.config import HostConfig
from cumulet.agents.compute.protocols import Guest
from cumulet.agents.compute.qemu import accelerator, firmware, tpm

EMULATED_CPU: Final = "Nehalem"
_CARD_MODELS: Final = {"virtio": "virtio-net-pci", "e1000": "e1000", "e1000e": "e1000e", "rtl8139": "rtl8139"}


def choose(guest: Guest, config: HostConfig) -> dict[str, Any]:
    """The machine of a new guest. Raises ValueError for one this host cannot be."""
    image, specs = guest.image, guest.flavor.get("extra_specs") or {}
    kvm = config.virt_type == "kvm" and accelerator.has_kvm()
    machine_type = str(image.get("hw_machine_type") or config.machine or "q35")
    chosen: dict[str, Any] = {
        "type": machine_type,
        "accelerator": "kvm" if kvm else "tcg",
        "cpu": _cpu(config, kvm),
        "firmware": firmware.choose(image, specs, machine_type),
        "tpm": tpm.choose(image, specs),
        "card_model": _card_model(image),
        "queues": _queues(guest, config),
        "disk_bus": str(image.get("hw_disk_bus") or "virtio"),
        "cdrom_bus": str(image.get("hw_cdrom_bus") or "scsi"),
        "agent": _truth(image.get("hw_qemu_guest_agent")),
        "rng": _truth(specs.get("hw_rng:allowed", True)),
        "topology": _topology(guest.flavor, image, specs),
        "video": str(image.get("hw_video_model") or "vga"),
        "tablet": _truth(image.get("hw_pointer_model") == "usbtablet"),
        "windows": str(image.get("os_type", "")).lower() == "windows",
        "watchdog": specs.get("hw:watchdog_action") or image.get("hw_watchdog_action"),
    }
    return chosen | guest.machine


def _truth(value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).strip().lower() in ("true", "yes", "1", "on", "t", "y")


def _cpu(config: HostConfig, kvm: bool) -> str:
    if config.cpu_mode == "custom" and config.cpu_model:
        return config.cpu_model
    if kvm and config.cpu_mode != "none":
        return "host"
    return EMULATED_CPU


def _card_model(image: dict[str, Any]) -> str:
    wanted = str(image.get("hw_vif_model") or "virtio")
    if wanted not in _CARD_MODELS:
        raise ValueError(f"hw_vif_model {wanted} is not known here")
    return _CARD_MODELS[wanted]


def _queues(guest: Guest, config: HostConfig) -> int:
    """Of each card: one a processor where that is asked for, and the card can have many."""
    specs = guest.flavor.get("extra_specs") or {}
    wanted = specs.get("hw:vif_multiqueue_enabled", guest.image.get("hw_vif_multiqueue_enabled"))
    if not _truth(wanted) or _card_model(guest.image) != "virtio-net-pci":
        return 1
    return min(int(guest.flavor["vcpus"]), config.most_queues)


def _topology(flavor: dict[str, Any], image: dict[str, Any], specs: dict[str, Any]) -> dict[str, int]:
    """Sockets, cores and threads whose product is the number of processors: one a socket, if nothing is said."""
    vcpus = int(flavor["vcpus"])
    cores = int(specs.get("hw:cpu_cores") or image.get("hw_cpu_cores") or 0)
    threads = int(specs.get("hw:cpu_threads") or image.get("hw_cpu_threads") or 0)
    sockets = int(specs.get("hw:cpu_sockets") or image.get("hw_cpu_sockets") or 0)
    threads = threads or 1
    if not cores:
        cores = max(1, vcpus // (sockets * threads)) if sockets else 1
    if not sockets:
        sockets = max(1, vcpus // (cores * threads))
    if sockets * cores * threads != vcpus:
        return {"sockets": vcpus, "cores": 1, "threads": 1}
    return {"sockets": sockets, "cores": cores, "threads": threads}
