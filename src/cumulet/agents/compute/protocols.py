"""What a hypervisor driver offers. Every method may be repeated: doing it twice equals doing it once."""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Struct


class Guest(Struct, frozen=True):
    """A server as its host needs to know it.

    `flavor`: vcpus, ram (MB), disk and ephemeral (GB), swap (MB), extra_specs.
    """

    id: str
    name: str
    hostname: str
    number: int
    flavor: dict[str, Any]
    image_id: str | None
    vifs: list[dict[str, Any]]
    config_drive: bool = False


class Resources(Struct, frozen=True):
    """What a host has: memory in MB, disk in GB."""

    vcpus: int
    memory_mb: int
    local_gb: int
    hypervisor_type: str
    hypervisor_version: int
    host_ip: str
    cpu_info: dict[str, Any]
    facts: dict[str, Any]
    uptime: str | None = None  # as uptime(1) says it


class NoSuchGuest(Exception):
    """The host has no guest of this id."""


class Hypervisor(Protocol):
    """One host's driver.

    Methods that name a guest raise NoSuchGuest, except `destroy`; whatever else is raised is the reason of a failure.
    """

    def resources(self) -> Resources: ...

    def spawn(self, guest: Guest) -> None:
        """Build and start it; one that is there already stays as it is."""

    def destroy(self, server_id: str) -> None:
        """Remove it with its local disks; one that is not there is right too."""

    def start(self, server_id: str) -> None: ...

    def stop(self, server_id: str) -> None: ...

    def reboot(self, server_id: str, *, hard: bool) -> None: ...

    def pause(self, server_id: str) -> None: ...

    def unpause(self, server_id: str) -> None: ...

    def suspend(self, server_id: str) -> None: ...

    def resume(self, server_id: str) -> None: ...

    def console_log(self, server_id: str) -> str:
        """All that the guest's serial console said and that was kept."""

    def guests(self) -> dict[str, int]:
        """The power state of each guest by its id."""
