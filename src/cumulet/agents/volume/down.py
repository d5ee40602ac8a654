"""A back end that cannot work on this host: it says why, to the scheduler and to whoever asks it for something."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, NoReturn

from cumulet.agents.volume.protocols import (
    BackendReport,
    BlockDevice,
    Connector,
    Extended,
    Made,
    Manageable,
    Refused,
    Volume,
)


class DownDriver:
    """Refuses everything."""

    simulated = False

    def __init__(self, name: str, volume_backend_name: str, kind: str, reason: str) -> None:
        self._name, self._backend_name, self._kind, self._reason = name, volume_backend_name, kind, reason

    def _refuse(self) -> NoReturn:
        raise Refused(f"Back end {self._name}: {self._reason}.")

    def report(self) -> BackendReport:
        return BackendReport(
            name=self._name,
            volume_backend_name=self._backend_name,
            driver=self._kind,
            storage_protocol=self._kind,
            pools=[],
            reason_down=self._reason,
        )

    def upkeep(self) -> list[str]:
        return []

    def create(self, volume: Volume) -> Made:
        self._refuse()

    def delete(self, volume_id: str) -> None:
        self._refuse()

    def extend(self, volume_id: str, size_gb: int, key: str | None = None) -> Extended:
        self._refuse()

    def create_snapshot(self, snapshot_id: str, volume_id: str, key: str | None = None) -> None:
        self._refuse()

    def delete_snapshot(self, snapshot_id: str, volume_id: str) -> None:
        self._refuse()

    def clone(self, volume: Volume, source_id: str) -> Made:
        self._refuse()

    def from_snapshot(self, volume: Volume, snapshot_id: str, source_id: str) -> Made:
        self._refuse()

    def from_file(self, volume: Volume, file: Path, format_: Literal["raw", "qcow2"]) -> Made:
        self._refuse()

    def revert(self, volume_id: str, snapshot_id: str, key: str | None = None) -> None:
        self._refuse()

    def connect(
        self, volume_id: str, attachment_id: str, connector: Connector, mode: str, key: str | None = None
    ) -> dict[str, Any]:
        self._refuse()

    def disconnect(self, volume_id: str, attachment_id: str) -> None:
        self._refuse()

    def opened(
        self, volume_id: str, snapshot_id: str | None = None, *, writable: bool = False, key: str | None = None
    ) -> AbstractContextManager[BlockDevice]:
        self._refuse()

    def manage(self, volume: Volume, reference: dict[str, str]) -> Made:
        self._refuse()

    def unmanage(self, volume_id: str) -> None:
        self._refuse()

    def manage_snapshot(self, snapshot_id: str, volume_id: str, reference: dict[str, str]) -> Made:
        self._refuse()

    def manageable(self, known: Sequence[str]) -> list[Manageable]:
        self._refuse()

    def manageable_snapshots(self, known: Sequence[str]) -> list[Manageable]:
        self._refuse()
