"""The compute agent's settings from the operator's nova.conf, which is read as it is; other options are read over."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

from oslo_config import cfg, types

from cumulet.agents.compute import numa
from cumulet.agents.compute.config import MOST_QUEUES, PCIE_PORTS, HostConfig
from cumulet.kernel import config

DEFAULT = [
    cfg.StrOpt("host", help="This host's name. Default: what the system calls itself."),
    cfg.StrOpt("my_ip", help="This host's address for other hosts. Default: the one that leads outside."),
    cfg.StrOpt("instances_path", help="Where guests' disks are. Default: in the cloud's state directory."),
    cfg.StrOpt("instance_name_template", default="instance-%08x"),
    cfg.IntOpt("shutdown_timeout", default=40, min=0, help="Seconds a guest has to shut down before it is cut off."),
    cfg.BoolOpt("resume_guests_state_on_host_boot", default=False),
    cfg.IntOpt("reserved_host_memory_mb", default=512, min=0),
    cfg.IntOpt("reserved_host_disk_mb", default=0, min=0),
    cfg.MultiOpt("reserved_huge_pages", item_type=types.Dict(), help="node:0,size:2048,count:64: not for guests."),
    cfg.StrOpt("default_ephemeral_format", help="ext4, ext3, ext2 or xfs. Default: ext4."),
]
LIBVIRT = [
    cfg.StrOpt("virt_type", default="kvm", choices=["kvm", "qemu", "lxc"]),
    cfg.StrOpt("cpu_mode", choices=["host-model", "host-passthrough", "custom", "none"]),
    cfg.ListOpt("cpu_models", default=[], help="With cpu_mode custom: the first is taken."),
    cfg.ListOpt("hw_machine_type", default=[], help="architecture=machine, …"),
    cfg.IntOpt("num_pcie_ports", default=0, min=0, max=28),
    cfg.IntOpt("max_queues", min=1, help="Of a card with hw:vif_multiqueue_enabled. Default: as many as Linux can."),
    cfg.IntOpt("mem_stats_period_seconds", default=10),
    cfg.StrOpt("live_migration_inbound_addr"),
    cfg.IntOpt("tb_cache_size", default=64, min=16, help="MB of translated code of an emulated guest."),
]
IMAGE_CACHE = [
    cfg.BoolOpt("remove_unused_base_images", default=True),
    cfg.IntOpt("remove_unused_original_minimum_age_seconds", default=86400, min=0),
]
COMPUTE = [
    cfg.StrOpt("cpu_dedicated_set", default="", help="Processors for guests with hw:cpu_policy=dedicated: 4-12,^8,15."),
    cfg.StrOpt("cpu_shared_set", default="", help="Those for other guests. Default: all, or none with the other one."),
]
VNC = [
    cfg.BoolOpt("enabled", default=True),
    cfg.StrOpt("server_listen", help="Address of guests' consoles. Default: a socket that only this host can open."),
    cfg.StrOpt("server_proxyclient_address"),
]
CONSOLE = [cfg.ListOpt("allowed_origins", default=[], help="Hosts whose pages may open consoles, besides our own.")]
NOVNC_PORT = 6080
SERIAL_PORT = 6083


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(DEFAULT)
    conf.register_opts(LIBVIRT, group="libvirt")
    conf.register_opts(IMAGE_CACHE, group="image_cache")
    conf.register_opts(COMPUTE, group="compute")
    conf.register_opts(VNC, group="vnc")
    conf.register_opts(CONSOLE, group="console")


def read(files: Sequence[Path | str]) -> cfg.ConfigOpts:
    """nova.conf's options; later files win."""
    conf = config.load("nova", files)
    register(conf)
    return conf


def host_config(conf: cfg.ConfigOpts, state_dir: Path, **settings: object) -> HostConfig:
    cache = conf.image_cache
    address = conf.my_ip or outward_address()
    values: dict[str, object] = {
        "host": conf.host or socket.gethostname(),
        "instances": Path(conf.instances_path) if conf.instances_path else state_dir / "instances",
        "address": conf.libvirt.live_migration_inbound_addr or address,
        "host_ip": address,
        "virt_type": conf.libvirt.virt_type,
        "cpu_mode": conf.libvirt.cpu_mode,
        "cpu_model": conf.libvirt.cpu_models[0] if conf.libvirt.cpu_models else None,
        "machine": _machine(conf.libvirt.hw_machine_type),
        "most_queues": conf.libvirt.max_queues or MOST_QUEUES,
        "pcie_ports": conf.libvirt.num_pcie_ports or PCIE_PORTS,
        "memory_stats_s": max(0, conf.libvirt.mem_stats_period_seconds),
        "translation_mb": conf.libvirt.tb_cache_size,
        "name_template": conf.instance_name_template,
        "shutdown_s": float(conf.shutdown_timeout),
        "resume_at_boot": conf.resume_guests_state_on_host_boot,
        "reserved_memory_mb": conf.reserved_host_memory_mb,
        "reserved_disk_mb": conf.reserved_host_disk_mb,
        "ephemeral_format": conf.default_ephemeral_format or "ext4",
        "unused_image_s": float(cache.remove_unused_original_minimum_age_seconds)
        if cache.remove_unused_base_images
        else None,
        "dedicated_processors": conf.compute.cpu_dedicated_set or "",
        "shared_processors": conf.compute.cpu_shared_set or "",
        "reserved_pages": [_reserved(each) for each in conf.reserved_huge_pages or []],
        "vnc": conf.vnc.enabled,
        "vnc_listen": conf.vnc.server_listen,
        "vnc_address": conf.vnc.server_proxyclient_address,
    }
    return HostConfig(**(values | settings))  # type: ignore[arg-type]


def _reserved(given: dict[str, str]) -> tuple[int, int, int]:
    """Raises ValueError for one that does not say node, size and count."""
    try:
        return int(given["node"]), numa.kb_of(given["size"]), int(given["count"])
    except (KeyError, ValueError):
        raise ValueError(f"[DEFAULT] reserved_huge_pages: {given} does not say node, size and count") from None


def _machine(entries: list[str]) -> str | None:
    for entry in entries:
        architecture, _, machine = entry.strip().partition("=")
        if architecture == "x86_64" and machine:
            return machine
    return None


def outward_address() -> str:
    """The address this host would use towards others; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
