"""What this host has, for Placement and the list of hypervisors."""

from __future__ import annotations

import functools
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any, Final

from cumulet.agents.compute import host_topology
from cumulet.agents.compute.config import HostConfig
from cumulet.agents.compute.protocols import Resources

_TRAITS_OF_FLAGS: Final = {
    "aes": "HW_CPU_X86_AESNI",
    "avx": "HW_CPU_X86_AVX",
    "avx2": "HW_CPU_X86_AVX2",
    "avx512f": "HW_CPU_X86_AVX512F",
    "bmi1": "HW_CPU_X86_BMI",
    "bmi2": "HW_CPU_X86_BMI2",
    "f16c": "HW_CPU_X86_F16C",
    "fma": "HW_CPU_X86_FMA3",
    "mmx": "HW_CPU_X86_MMX",
    "pclmulqdq": "HW_CPU_X86_CLMUL",
    "sha_ni": "HW_CPU_X86_SHA",
    "sse": "HW_CPU_X86_SSE",
    "sse2": "HW_CPU_X86_SSE2",
    "sse4_1": "HW_CPU_X86_SSE41",
    "sse4_2": "HW_CPU_X86_SSE42",
    "sse4a": "HW_CPU_X86_SSE4A",
    "ssse3": "HW_CPU_X86_SSSE3",
    "svm": "HW_CPU_X86_SVM",
    "vmx": "HW_CPU_X86_VMX",
}


def of_host(config: HostConfig, kind: str, version: int, facts: dict[str, Any], traits: list[str]) -> Resources:
    """`facts` and `traits` are what the hypervisor adds: image formats, buses, models."""
    processor = cpu()
    own = {*traits, *(_TRAITS_OF_FLAGS[flag] for flag in processor["features"] if flag in _TRAITS_OF_FLAGS)}
    if processor["topology"]["threads"] > 1:
        own.add("HW_CPU_HYPERTHREADING")
    return Resources(
        vcpus=len(host_topology.shared(config)),
        memory_mb=memory_mb(),
        local_gb=local_gb(config.instances),
        hypervisor_type=kind,
        hypervisor_version=version,
        host_ip=config.host_ip,
        cpu_info=processor,
        facts={"arches": ["x86_64"], "traits": sorted(own), **facts},
        uptime=uptime(),
    )


@functools.cache
def cpu() -> dict[str, Any]:
    """As libvirt describes a processor: arch, model, vendor, features, topology."""
    text = Path("/proc/cpuinfo").read_text()

    def first(name: str) -> str:
        found = re.search(rf"^{name}\s*: (.*)$", text, re.MULTILINE)
        return found[1].strip() if found else ""

    packages = len(set(re.findall(r"^physical id\s*: (.*)$", text, re.MULTILINE))) or 1
    cores = int(first("cpu cores") or 1)
    threads = max(1, (os.cpu_count() or 1) // (packages * cores))
    return {
        "arch": os.uname().machine,
        "model": first("model name"),
        "vendor": first("vendor_id"),
        "features": sorted(first("flags").split()),
        "topology": {"cells": len(host_topology.nodes()), "sockets": packages, "cores": cores, "threads": threads},
    }


def memory_mb() -> int:
    found = re.search(r"^MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) // 1024 if found else 0


def local_gb(instances: Path) -> int:
    existing = next(parent for parent in (instances, *instances.parents) if parent.exists())
    return shutil.disk_usage(existing).total >> 30


def uptime() -> str:
    """One line as uptime(1) prints it."""
    minutes = int(float(Path("/proc/uptime").read_text().split()[0])) // 60
    days, minutes = divmod(minutes, 1440)
    lasted = f"{days} day{'s' if days != 1 else ''}, " if days else ""
    lasted += f"{minutes // 60}:{minutes % 60:02d}" if minutes >= 60 else f"{minutes} min"
    load = ", ".join(f"{one:.2f}" for one in os.getloadavg())
    return f" {time.strftime('%H:%M:%S')} up {lasted},  0 users,  load average: {load}"
