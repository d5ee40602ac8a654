"""The command line of a guest's QEMU, from its record alone. Paths are relative to the guest's directory.

Every disk and card sits behind a PCIe port of its own, whose number stays, so that it can be taken out while the
guest runs and the machine looks the same on another host.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cumulet.agents.compute.config import HostConfig
from cumulet.agents.compute.folders import Card, Drive, Record
from cumulet.agents.compute.qemu import firmware, placement, tpm
from cumulet.agents.compute.qemu.accelerator import PROGRAM

MONITOR: Final = "monitor"
QUERIES: Final = "queries"
SERIAL: Final = "serial"
SCREEN: Final = "screen"
AGENT: Final = "agent"
PID: Final = "pid"
LOG: Final = "qemu.log"
_FUNCTIONS: Final = 8
_FIRST_PORT_SLOT: Final = 0x10
_SANDBOX: Final = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

Arguments = list[str]


def build(record: Record, config: HostConfig, *, incoming: str | None = None) -> Arguments:
    """`incoming`: where the guest's memory comes from, instead of a start."""
    arguments = [PROGRAM, "-name", f"guest={_escaped(name_of(record, config))},debug-threads=on", "-uuid", record.id]
    arguments += ["-no-user-config", "-nodefaults", "-display", "none", "-sandbox", _SANDBOX]
    arguments += ["-pidfile", PID, "-msg", "timestamp=on"]
    arguments += _machine(record, config)
    arguments += _identity(record)
    arguments += _monitors()
    arguments += _kernel(record)
    arguments += _ports(config.pcie_ports, q35=_has_ports(record))
    arguments += _devices(record, config)
    for drive in record.drives:
        for secret in drive.objects:
            arguments += ["-object", _json(secret)]
        arguments += ["-blockdev", _json(drive.node), "-device", _json(device_of(drive, record))]
    for card in record.cards:
        arguments += ["-netdev", _json(backend_of(card)), "-device", _json(card_device(card, record))]
    if incoming is not None:
        arguments += ["-incoming", incoming, "-S"]
    elif record.wanted == "paused":
        arguments += ["-S"]
    return arguments


def name_of(record: Record, config: HostConfig) -> str:
    try:
        return config.name_template % record.guest.number
    except (TypeError, ValueError):
        return record.id


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _escaped(text: str) -> str:
    return text.replace(",", ",,")


def _has_ports(record: Record) -> bool:
    return "q35" in str(record.machine["type"])


def _machine(record: Record, config: HostConfig) -> Arguments:
    machine, flavor = record.machine, record.guest.flavor
    options = [machine["type"], "usb=off", "dump-guest-core=off"]
    if machine["firmware"].get("secure"):
        options.append("smm=on")
    wish, kept = placement.wish_of(record), placement.kept_of(record, config.host)
    memory = placement.arguments(wish, kept.cells, bind=kept.several) if kept is not None else []
    found = ["-machine", ",".join(options) + placement.backend(wish, memory)]
    if machine["accelerator"] == "kvm":
        found += ["-accel", "kvm"]
    else:
        found += ["-accel", f"tcg,thread=multi,tb-size={config.translation_mb}"]
    found += ["-cpu", machine["cpu"], "-m", f"size={int(flavor['ram'])}M", "-overcommit", "mem-lock=off"]
    topology = machine["topology"]
    found += ["-smp", ",".join([str(flavor["vcpus"]), *(f"{name}={count}" for name, count in topology.items())])]
    found += memory
    found += ["-rtc", "base=localtime" if machine["windows"] else "base=utc", "-boot", "strict=on"]
    if machine["firmware"]:
        code = {"driver": "file", "filename": machine["firmware"]["code"], "node-name": "code", "read-only": True}
        variables = {"driver": "file", "filename": firmware.VARIABLES, "node-name": "vars"}
        found += ["-blockdev", _json(code), "-blockdev", _json(variables)]
        found[1] += ",pflash0=code,pflash1=vars"
        if machine["firmware"].get("secure"):
            found += ["-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1"]
    return found


def _identity(record: Record) -> Arguments:
    """What guests look at to know that they are in OpenStack (DMI, as Nova fills it)."""
    fields = {
        "manufacturer": "OpenStack Foundation",
        "product": "OpenStack Nova",
        "version": "0.1.0",
        "serial": record.id,
        "uuid": record.id,
        "family": "Virtual Machine",
    }
    return ["-smbios", "type=1," + ",".join(f"{name}={_escaped(value)}" for name, value in fields.items())]


def _monitors() -> Arguments:
    """One for work, one for questions that must not wait for it."""
    found = []
    for name in (MONITOR, QUERIES):
        found += [
            "-chardev",
            f"socket,id={name},path={name},server=on,wait=off",
            "-mon",
            f"chardev={name},mode=control",
        ]
    return found


def _kernel(record: Record) -> Arguments:
    if not record.kernel:
        return []
    found = ["-kernel", record.kernel["kernel"], "-append", record.kernel.get("append", "")]
    if record.kernel.get("ramdisk"):
        found += ["-initrd", record.kernel["ramdisk"]]
    return found


def _ports(number: int, *, q35: bool) -> Arguments:
    if not q35:
        return []
    found = []
    for port in range(number):
        slot, function = divmod(port, _FUNCTIONS)
        device = {
            "driver": "pcie-root-port",
            "id": f"port{port}",
            "bus": "pcie.0",
            "addr": f"{_FIRST_PORT_SLOT + slot:x}.{function}",
            "chassis": port + 1,
            "port": port,
        }
        if function == 0:
            device["multifunction"] = True
        found += ["-device", _json(device)]
    return found


def _devices(record: Record, config: HostConfig) -> Arguments:
    """What every machine has, at places on the root bus that stay."""
    machine = record.machine
    bus = "pcie.0" if _has_ports(record) else "pci.0"
    found = ["-chardev", f"socket,id={SERIAL},path={SERIAL},server=on,wait=off,logfile=console.log,logappend=on"]
    found += ["-device", _json({"driver": "isa-serial", "chardev": SERIAL, "id": "serial0"})]
    if config.vnc:
        listen = f"unix:{SCREEN}" if config.vnc_listen is None else f"{config.vnc_listen}:0,to=999"
        found += ["-vnc", listen]
        found += ["-device", _json(_video(machine) | {"bus": bus, "addr": "2"})]
    if machine["tablet"]:
        found += ["-device", f"qemu-xhci,id=usb,bus={bus},addr=3", "-device", "usb-tablet,bus=usb.0"]
    found += ["-device", f"virtio-scsi-pci,id=scsi0,bus={bus},addr=4"]
    if machine["rng"]:
        found += ["-object", "rng-random,id=rng,filename=/dev/urandom"]
        found += ["-device", f"virtio-rng-pci,rng=rng,bus={bus},addr=5"]
    found += ["-device", f"virtio-balloon-pci,id=balloon,deflate-on-oom=on,free-page-reporting=on,bus={bus},addr=6"]
    if machine["agent"]:
        found += ["-chardev", f"socket,id={AGENT},path={AGENT},server=on,wait=off"]
        found += ["-device", f"virtio-serial-pci,id=channels,bus={bus},addr=7"]
        found += ["-device", f"virtserialport,bus=channels.0,chardev={AGENT},name=org.qemu.guest_agent.0"]
    found += tpm.arguments(machine.get("tpm") or {})
    if machine["watchdog"] and machine["watchdog"] != "disabled":
        found += ["-device", f"i6300esb,bus={bus},addr=8", "-action", f"watchdog={machine['watchdog']}"]
    return found


def _video(machine: dict[str, Any]) -> dict[str, Any]:
    return {"driver": {"virtio": "virtio-vga", "vga": "VGA", "cirrus": "cirrus-vga"}.get(machine["video"], "VGA")}


def device_of(drive: Drive, record: Record) -> dict[str, Any]:
    """The device of a disk, as -device and device_add take it."""
    made: dict[str, Any] = {"drive": drive.node["node-name"], "id": drive.id}
    if drive.kind == "cdrom":
        made |= {"driver": "scsi-cd", "bus": "scsi0.0", "scsi-id": drive.slot}
        if drive.bus in ("ide", "sata"):
            made = {"drive": drive.node["node-name"], "id": drive.id, "driver": "ide-cd"}
            made["bus"] = "ide.5" if _has_ports(record) else "ide.1"  # the last one: disks begin at the first
    elif drive.bus == "scsi":
        made |= {"driver": "scsi-hd", "bus": "scsi0.0", "scsi-id": drive.slot}
    elif drive.bus in ("ide", "sata"):
        made |= {"driver": "ide-hd", "bus": f"ide.{drive.slot}"}
    else:
        made |= {"driver": "virtio-blk-pci"} | _place(drive.slot, record)
    if drive.serial:
        made["serial"] = drive.serial
    if drive.boot is not None and not record.kernel:  # with a kernel of its own the firmware has nothing to find
        made["bootindex"] = drive.boot
    return made


def backend_of(card: Card) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "tap",
        "id": f"net-{card.port_id}",
        "ifname": f"tap{card.port_id[:11]}",
        "script": "no",
        "downscript": "no",
    }
    return made if card.queues == 1 else made | {"queues": card.queues}


def card_device(card: Card, record: Record) -> dict[str, Any]:
    made: dict[str, Any] = {"driver": card.model, "netdev": f"net-{card.port_id}", "id": f"nic-{card.port_id}"}
    made |= {"mac": card.mac} | _place(card.slot, record)
    if card.model == "virtio-net-pci":
        made |= {"romfile": "", "host_mtu": card.mtu} if card.mtu else {"romfile": ""}
    if card.queues > 1:
        made |= {"mq": True, "vectors": 2 * card.queues + 2}  # one each way and queue, control and configuration
    return made


def _place(slot: int, record: Record) -> dict[str, Any]:
    if _has_ports(record):
        return {"bus": f"port{slot}"}
    return {"bus": "pci.0", "addr": f"{_FIRST_PORT_SLOT - 7 + slot:x}"}


def free_slot(record: Record, config: HostConfig) -> int:
    """Raises ValueError when the machine is full."""
    most = config.pcie_ports if _has_ports(record) else 31 - (_FIRST_PORT_SLOT - 7)
    taken = {drive.slot for drive in record.drives if drive.kind != "cdrom"} | {card.slot for card in record.cards}
    for slot in range(most):
        if slot not in taken:
            return slot
    raise ValueError(f"the machine has no place for another device: all {most} are taken ([libvirt] num_pcie_ports)")
