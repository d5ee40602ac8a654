"""The agent of one host's volumes: serves the engine's wishes and reports what the back ends have."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from cumulet.agents.volume.backups.repository import Repository
from cumulet.agents.volume.images import Images
from cumulet.agents.volume.locks import Locks
from cumulet.agents.volume.protocols import (
    Backup,
    Connector,
    Image,
    Refused,
    Report,
    Upload,
    Volume,
    VolumeDriver,
)
from cumulet.agents.volume.transfer import copy_into
from cumulet.kernel.bus import Bus, BusError, Call, Method

log = logging.getLogger(__name__)

ENGINE: Final = "engine"
REPORT_S: Final = 10.0
_AGAIN_S: Final = 0.5
_UPKEEP_S: Final = 2.0


class NoSuchBackend(Refused):
    """This host has no back end of that name."""


class Agent:
    """`drivers` are the back ends by name, the part of a volume's host after the `@`."""

    def __init__(
        self,
        bus: Bus,
        host: str,
        drivers: Mapping[str, VolumeDriver],
        *,
        images: Images,
        backups: Repository | None = None,
        availability_zone: str = "nova",
        report_s: float = REPORT_S,
    ) -> None:
        self._bus = bus
        self._host = host
        self._drivers = drivers
        self._images = images
        self._backups = backups
        self._zone = availability_zone
        self._report_s = report_s
        self._locks = Locks()

    def methods(self) -> Mapping[str, Method]:
        plain = (
            self.create,
            self.clone,
            self.from_snapshot,
            self.from_image,
            self.delete,
            self.extend,
            self.create_snapshot,
            self.delete_snapshot,
            self.revert,
            self.upload_image,
            self.connect,
            self.disconnect,
            self.migrate_out,
            self.migrate_in,
            self.migrate_end,
            self.manage,
            self.unmanage,
            self.manage_snapshot,
            self.manageable,
            self.manageable_snapshots,
            self.backup,
            self.restore,
            self.verify_backup,
            self.delete_backup,
        )
        return {f"volume.{method.__name__}": method for method in plain}

    # -- volumes ---------------------------------------------------------------------------------------------------

    def create(self, call: Call, backend: str, volume: dict[str, Any]) -> Any:
        wanted = msgspec.convert(volume, Volume)
        with self._locks.alone(wanted.id):
            return _plain(self._driver(backend).create(wanted))

    def clone(self, call: Call, backend: str, volume: dict[str, Any], source_id: str) -> Any:
        wanted = msgspec.convert(volume, Volume)
        with self._locks.alone(wanted.id, source_id):
            return _plain(self._driver(backend).clone(wanted, source_id))

    def from_snapshot(self, call: Call, backend: str, volume: dict[str, Any], snapshot_id: str, source_id: str) -> Any:
        wanted = msgspec.convert(volume, Volume)
        with self._locks.alone(wanted.id, source_id):
            return _plain(self._driver(backend).from_snapshot(wanted, snapshot_id, source_id))

    def from_image(self, call: Call, backend: str, volume: dict[str, Any], image: dict[str, Any]) -> Any:
        wanted, source = msgspec.convert(volume, Volume), msgspec.convert(image, Image)
        driver = self._driver(backend)
        with (
            self._locks.alone(wanted.id),
            self._images.fetched(source, wanted.size_gb, convert=not driver.simulated) as judged,
        ):
            made = driver.from_file(wanted, judged.file, judged.format)
            return _plain(msgspec.structs.replace(made, image_virtual_size=judged.virtual_size))

    def delete(self, call: Call, backend: str, volume_id: str) -> None:
        with self._locks.alone(volume_id):
            self._driver(backend).delete(volume_id)

    def extend(self, call: Call, backend: str, volume_id: str, size_gb: int, key: str | None = None) -> Any:
        with self._locks.alone(volume_id):
            return _plain(self._driver(backend).extend(volume_id, size_gb, key))

    def revert(self, call: Call, backend: str, volume_id: str, snapshot_id: str, key: str | None = None) -> None:
        with self._locks.alone(volume_id):
            self._driver(backend).revert(volume_id, snapshot_id, key)

    def upload_image(
        self, call: Call, backend: str, volume_id: str, image: dict[str, Any], key: str | None = None
    ) -> Any:
        driver = self._driver(backend)
        with driver.opened(volume_id, key=key) as device:
            size = self._images.upload(msgspec.convert(image, Upload), device, to_data_end=driver.simulated)
        return {"size": size}

    # -- snapshots -------------------------------------------------------------------------------------------------

    def create_snapshot(
        self, call: Call, backend: str, snapshot_id: str, volume_id: str, key: str | None = None
    ) -> None:
        with self._locks.alone(volume_id):
            self._driver(backend).create_snapshot(snapshot_id, volume_id, key)

    def delete_snapshot(self, call: Call, backend: str, snapshot_id: str, volume_id: str) -> None:
        with self._locks.alone(volume_id):
            self._driver(backend).delete_snapshot(snapshot_id, volume_id)

    # -- reaching and moving them ----------------------------------------------------------------------------------

    def connect(
        self,
        call: Call,
        backend: str,
        volume_id: str,
        attachment_id: str,
        connector: dict[str, Any],
        mode: str = "rw",
        key: str | None = None,
        shared: bool = False,
    ) -> Any:
        """`connector` may have any other fields too: clients send what they have. `shared`: other guests may have the
        volume attached at the same time."""
        said = {name: connector.get(name) for name in ("host", "ip", "mountpoint")}
        known = msgspec.convert({**said, "shared": shared}, Connector)
        with self._locks.alone(volume_id):
            return self._driver(backend).connect(volume_id, attachment_id, known, mode, key)

    def disconnect(self, call: Call, backend: str, volume_id: str, attachment_id: str) -> None:
        with self._locks.alone(volume_id):
            self._driver(backend).disconnect(volume_id, attachment_id)

    def migrate_out(
        self,
        call: Call,
        backend: str,
        volume_id: str,
        migration_id: str,
        connector: dict[str, Any],
        key: str | None = None,
    ) -> Any:
        return self.connect(call, backend, volume_id, migration_id, connector, "ro", key)

    def migrate_in(
        self,
        call: Call,
        backend: str,
        volume: dict[str, Any],
        source: dict[str, Any],
        source_key: str | None = None,
    ) -> Any:
        wanted, driver = msgspec.convert(volume, Volume), self._driver(backend)
        with self._locks.alone(f"{backend}/{wanted.id}"):
            made = driver.create(wanted)
            with driver.opened(wanted.id, writable=True, key=wanted.key) as device:
                copy_into(device, source, source_key)
        return _plain(made)

    def migrate_end(self, call: Call, backend: str, volume_id: str, migration_id: str) -> None:
        self.disconnect(call, backend, volume_id, migration_id)

    # -- what was there before -------------------------------------------------------------------------------------

    def manage(self, call: Call, backend: str, volume: dict[str, Any], reference: dict[str, str]) -> Any:
        wanted = msgspec.convert(volume, Volume)
        with self._locks.alone(wanted.id):
            return _plain(self._driver(backend).manage(wanted, reference))

    def unmanage(self, call: Call, backend: str, volume_id: str) -> None:
        with self._locks.alone(volume_id):
            self._driver(backend).unmanage(volume_id)

    def manage_snapshot(
        self, call: Call, backend: str, snapshot_id: str, volume_id: str, reference: dict[str, str]
    ) -> Any:
        with self._locks.alone(volume_id):
            return _plain(self._driver(backend).manage_snapshot(snapshot_id, volume_id, reference))

    def manageable(self, call: Call, backend: str, known: list[str]) -> Any:
        return _plain(self._driver(backend).manageable(known))

    def manageable_snapshots(self, call: Call, backend: str, known: list[str]) -> Any:
        return _plain(self._driver(backend).manageable_snapshots(known))

    # -- backups ---------------------------------------------------------------------------------------------------

    def backup(self, call: Call, backend: str, backup: dict[str, Any]) -> Any:
        wanted = msgspec.convert(backup, Backup)
        with (
            self._locks.alone(f"backup/{wanted.id}"),
            self._driver(backend).opened(wanted.volume_id, wanted.snapshot_id, key=wanted.key) as device,
        ):
            return _plain(self._repository().back_up(wanted, device))

    def restore(self, call: Call, backend: str, backup: dict[str, Any], volume_id: str, key: str | None = None) -> None:
        wanted = msgspec.convert(backup, Backup)
        with (
            self._locks.alone(volume_id),
            self._driver(backend).opened(volume_id, writable=True, key=key) as device,
        ):
            self._repository().restore(wanted, device)

    def verify_backup(self, call: Call, backup: dict[str, Any], backend: str | None = None) -> None:
        """Raises BadBackup for one that is not there as its digest says."""
        self._repository().verify(msgspec.convert(backup, Backup))

    def delete_backup(self, call: Call, backup: dict[str, Any], backend: str | None = None) -> None:
        wanted = msgspec.convert(backup, Backup)
        with self._locks.alone(f"backup/{wanted.id}"):
            self._repository().delete(wanted)

    # -- the parts of it -------------------------------------------------------------------------------------------

    def _driver(self, backend: str) -> VolumeDriver:
        driver = self._drivers.get(backend)
        if driver is None:
            raise NoSuchBackend(f"Host {self._host} has no back end called {backend}.")
        return driver

    def _repository(self) -> Repository:
        if self._backups is None:
            raise Refused(f"Host {self._host} keeps no backups.")
        return self._backups

    def run(self, stop: threading.Event) -> None:
        """Keep the back ends in order and report, until `stop` is set.

        Order is looked after more often: guests wait a few seconds only for an export that has to be started again.
        """
        lost: set[str] = set()
        due = 0.0
        while not stop.is_set():
            for name, driver in self._drivers.items():
                lost.update(self._upkeep(name, driver))
            if lost or time.monotonic() >= due:
                taken = self._report(sorted(lost))
                due = time.monotonic() + (self._report_s if taken else _AGAIN_S)
                if taken:
                    lost.clear()
            stop.wait(min(_UPKEEP_S, self._report_s, max(_AGAIN_S, due - time.monotonic())))

    def _upkeep(self, name: str, driver: VolumeDriver) -> list[str]:
        try:
            return driver.upkeep()
        except (Refused, OSError) as error:
            log.error("back end %s of %s could not be put in order: %s", name, self._host, error)
            return []

    def _report(self, lost: list[str]) -> bool:
        """Whether the engine took it; it may still be starting."""
        try:
            backends = [driver.report() for driver in self._drivers.values()]
            report = Report(self._host, self._zone, backends, backup=self._backups is not None, exports_lost=lost)
            self._bus.call(ENGINE, "volume.report", {"report": _plain(report)}, timeout_s=self._report_s)
        except (BusError, Refused, OSError) as error:
            log.info("the engine did not take the report of %s: %s", self._host, error)
            return False
        return True


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
