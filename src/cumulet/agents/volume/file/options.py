"""What one `file` back end is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileOptions:
    """`folder` holds the data, `exports_folder` (of this host alone) what is served to others.

    `shared`: every host mounts `folder` at the same place, so all open files directly. `nbd_local`: guests of this host
    too get an export instead of the file; None: where their hypervisor cannot follow snapshots. `address`,
    `first_port`: where exports listen.
    """

    name: str
    host: str
    folder: Path
    exports_folder: Path
    volume_backend_name: str
    format: str = "qcow2"
    shared: bool = False
    nbd_local: bool | None = False
    tls: bool = True
    address: str = "127.0.0.1"
    first_port: int = 10810
    reserved_percentage: int = 0
    max_over_subscription_ratio: str = "20.0"
    storage_protocol: str = "file"
    reason_down: str | None = None
