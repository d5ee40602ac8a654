"""One QEMU machine for the guest's tests: emulated CPU, user-mode network with ssh forwarded on loopback."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.daemons import free_port


def make_config_drive(folder: Path, metadata: dict[str, object], user_data: str) -> Path:
    """A FAT image labelled config-2 with OpenStack's metadata, as Nova makes it with ``config_drive_format=vfat``."""
    latest = folder / "config" / "openstack" / "latest"
    latest.mkdir(parents=True)
    (latest / "meta_data.json").write_text(json.dumps(metadata))
    (latest / "user_data").write_text(user_data)
    image = folder / "config.img"
    with image.open("wb") as file:
        file.truncate(2 << 20)
    subprocess.run(["mformat", "-i", str(image), "-v", "config-2", "::"], check=True, timeout=30)
    subprocess.run(
        ["mcopy", "-s", "-i", str(image), str(folder / "config" / "openstack"), "::"], check=True, timeout=30
    )
    return image


@dataclass
class Machine:
    """A guest on a throw-away overlay of ``image``; ``folder`` holds its overlay, sockets and ``serial.log``."""

    folder: Path
    image: Path
    config_drive: Path | None = None
    network_options: str = ""
    boot_arguments: list[str] = field(default_factory=list)
    disk_gb: int = 1
    ssh_port: int = field(default_factory=free_port)

    def start(self) -> None:
        """Start QEMU as PLATFORM's recipe says: q35, Nehalem, multi-threaded TCG, everything virtio."""
        disk = self.folder / "disk.qcow2"
        create = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(self.image), "-F", "qcow2", str(disk)]
        subprocess.run([*create, f"{self.disk_gb}G"], check=True, timeout=30)
        forward = f"user,id=net,ipv4=on,ipv6=on,hostfwd=tcp:127.0.0.1:{self.ssh_port}-:22{self.network_options}"
        serial = f"socket,id=serial,path={self.folder}/serial.sock,server=on,wait=off,logfile={self.serial_log}"
        # fmt: off
        command = [
            "qemu-system-x86_64", "-nodefaults", "-display", "none", "-machine", "q35", "-cpu", "Nehalem", "-m", "128",
            "-accel", "tcg,thread=multi,tb-size=64", "-chardev", serial, "-serial", "chardev:serial",
            "-qmp", f"unix:{self.folder}/qmp.sock,server=on,wait=off",
            "-drive", f"if=none,id=root,file={disk}", "-device", "virtio-blk-pci,drive=root",
            "-netdev", forward, "-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci",
            *self.boot_arguments,
        ]
        # fmt: on
        if self.config_drive is not None:
            drive = f"if=none,id=config,file={self.config_drive},format=raw,readonly=on"
            command += ["-drive", drive, "-device", "virtio-blk-pci,drive=config"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=(self.folder / "qemu.log").open("w"))

    def kill(self) -> None:
        """End QEMU at once, as a test's last step."""
        self.process.kill()
        self.process.wait(10)

    @property
    def serial_log(self) -> Path:
        return self.folder / "serial.log"

    def console(self) -> str:
        """Everything the guest wrote to its serial line."""
        return self.serial_log.read_text(errors="replace") if self.serial_log.exists() else ""

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait until ``condition()``; AssertionError with the end of the console when it does not come in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            error = (self.folder / "qemu.log").read_text()
            assert self.process.poll() is None, f"QEMU ended before {what}: {error}"
            assert time.monotonic() < deadline, f"no {what} in {seconds} s; console: {self.console()[-2000:]}"
            time.sleep(0.2)

    def type(self, *lines: str) -> None:
        """Type lines on the serial console, each after the guest answered the one before."""
        with socket.socket(socket.AF_UNIX) as serial:
            serial.connect(f"{self.folder}/serial.sock")
            for line, answer in zip(lines[::2], lines[1::2], strict=True):
                before = len(self.console())
                serial.sendall(line.encode() + b"\n")
                self.wait_for(lambda at=before, text=answer: text in self.console()[at:], f"answer {answer!r}", 30)

    def ssh(self, key: Path, command: str) -> str:
        """Run a command in the guest as user cirros by key; its output. CalledProcessError when it fails."""
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=20"]
        options += ["PasswordAuthentication=no", "BatchMode=yes"]
        arguments = [word for option in options for word in ("-o", option)]
        address = ["-i", str(key), "-p", str(self.ssh_port), "cirros@127.0.0.1"]
        done = subprocess.run(
            ["ssh", *arguments, *address, command], capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    def press_power_button(self) -> None:
        """ACPI power button, over QMP."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(10)
            monitor.connect(f"{self.folder}/qmp.sock")
            monitor.recv(65536)
            for name in ("qmp_capabilities", "system_powerdown"):
                monitor.sendall(json.dumps({"execute": name}).encode())
                monitor.recv(65536)
