"""What the engine asks of a volume host over the bus, and what a back end's driver offers.

Every method goes to the host (what stands before the `@` of `os-vol-host-attr:host`) and takes `backend`, the part
after it, besides the fields of its struct as named arguments:
`bus.call("node1", "volume.create", {"backend": "file", "volume": {"id": …, "size_gb": 1}})`.
Every method may be repeated: twice equals once, also after a crash between any two of its steps. What is gone already
is deleted rightly. Sizes are GiB, times seconds. What is raised arrives as `RemoteError`, whose `type` is one of
`Refused`'s names below where the caller can do something about it.

| method | arguments | returns |
|---|---|---|
| volume.create | volume: Volume | Made |
| volume.clone | volume, source_id | Made |
| volume.from_snapshot | volume, snapshot_id, source_id (the snapshot's volume) | Made |
| volume.from_image | volume, image: Image | Made |
| volume.delete | volume_id | |
| volume.extend | volume_id, size_gb, key | Extended |
| volume.create_snapshot | snapshot_id, volume_id, key | |
| volume.delete_snapshot | snapshot_id, volume_id | |
| volume.revert | volume_id, snapshot_id, key | |
| volume.upload_image | volume_id, image: Upload, key | Uploaded |
| volume.connect | volume_id, attachment_id, connector, mode (rw, ro), key, shared | connection_info |
| volume.disconnect | volume_id, attachment_id | |
| volume.migrate_out | volume_id, migration_id, connector (the target's), key | connection_info, for migrate_in |
| volume.migrate_in | volume, source (what migrate_out returned), source_key | Made |
| volume.migrate_end | volume_id, migration_id | |
| volume.manage | volume, reference | Made |
| volume.unmanage | volume_id | |
| volume.manage_snapshot | snapshot_id, volume_id, reference | Made |
| volume.manageable | known | [Manageable] |
| volume.manageable_snapshots | known | [Manageable] |
| volume.backup | backup: Backup | BackedUp |
| volume.restore | backup: Backup, volume_id, key | |
| volume.verify_backup | backup: Backup | (raises BadBackup) |
| volume.delete_backup | backup: Backup | |
| volume.report | (agent to "engine") report: Report | |

Migration: migrate_out on the source, migrate_in on the target, write the new host into the database, then migrate_end
and `volume.delete` on the source. Docs: docs/volume-backends.md has the connection_info shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, Protocol

from msgspec import Struct, field


class Refused(Exception):
    """The back end will not do it; the text is a sentence a user may read."""


class NoSuchVolume(Refused):
    """The back end has no volume of this id."""


class NoSuchSnapshot(Refused):
    """The back end has no snapshot of this id."""


class NoSuchReference(Refused):
    """There is nothing by that reference to manage (ManageExistingInvalidReference)."""


class InUse(Refused):
    """A guest has the volume open in a way that does not allow this."""


class NoSpace(Refused):
    """The back end is full."""


class BadImage(Refused):
    """The image cannot become this volume: another format than it says, dangerous, too large, altered on its way."""


class BadBackup(Refused):
    """The backup is torn, altered or lacks a parent. Nothing was written to the volume."""


class Volume(Struct, frozen=True):
    """A volume that is to be made.

    `key` (hexadecimal) makes it an encrypted one: the passphrase of its LUKS container. It is kept in memory only.
    `source_key` opens what it is made from, where that is encrypted.
    """

    id: str
    size_gb: int
    key: str | None = None
    source_key: str | None = None


class Image(Struct, frozen=True):
    """An image to make a volume from, as Image shows it; `url` is Image's endpoint, `token` allows to read it."""

    id: str
    url: str
    token: str
    disk_format: str
    container_format: str = "bare"
    size: int | None = None
    checksum: str | None = None  # MD5, as old images have it alone
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    virtual_size: int | None = None


class Upload(Struct, frozen=True):
    """A queued image that is to get a volume's data in `disk_format` (raw, qcow2, vmdk, vdi, vhd, vhdx, ploop)."""

    id: str
    url: str
    token: str
    disk_format: str = "raw"


class Connector(Struct, frozen=True):
    """Who wants to reach a volume: an attachment's connector, of which these fields matter."""

    host: str | None = None
    ip: str | None = None
    mountpoint: str | None = None
    multipath: bool = False
    initiator: str | None = None
    shared: bool = False  # several guests may have the volume attached at a time


class Made(Struct, frozen=True):
    """`size_gb`: what it has now; `bytes` it takes on the back end; `virtual_size` of an image it was made from."""

    size_gb: int
    bytes: int = 0
    image_virtual_size: int | None = None


class Extended(Struct, frozen=True):
    """`online`: a guest has it open, so its hypervisor has to make the new size visible (Compute's `extend_volume`,
    by the external event `volume-extended`)."""

    size_gb: int
    online: bool = False


class Uploaded(Struct, frozen=True):
    size: int


class Manageable(Struct, frozen=True):
    """Something on the back end that could be managed. `id`: of the volume or snapshot that it already is."""

    reference: dict[str, str]
    size_gb: int
    safe: bool
    reason: str | None = None
    id: str | None = None
    extra: dict[str, Any] | None = None
    source: dict[str, str] | None = None  # a snapshot's volume


class Backup(Struct, frozen=True):
    """A backup: of `snapshot_id` of the volume, or of the volume as it is now.

    `parents`: the backups it builds upon, oldest first, each by its container, id and digest; empty for a full one.
    `digest` is what `volume.backup` returned: without the same one a backup is not restored.
    """

    id: str
    volume_id: str
    size_gb: int
    container: str | None = None
    snapshot_id: str | None = None
    parents: list[ParentBackup] = []
    digest: str | None = None
    key: str | None = None


class ParentBackup(Struct, frozen=True):
    id: str
    container: str
    digest: str


class BackedUp(Struct, frozen=True):
    """`objects`: how many files it takes; `bytes` they take; `digest`: SHA-256 over its table of contents."""

    container: str
    digest: str
    objects: int
    bytes: int


class Pool(Struct, frozen=True):
    """One pool's capacity in GiB."""

    name: str
    total_gb: float
    free_gb: float
    provisioned_gb: float
    volumes: int
    location_info: str = ""


class BackendReport(Struct, frozen=True):
    """One back end with what the scheduler needs to know."""

    name: str  # after the @
    volume_backend_name: str
    driver: str
    storage_protocol: str
    pools: list[Pool]
    vendor_name: str = "Cumulet"
    driver_version: str = "1.0"
    thin_provisioning: bool = True
    thick_provisioning: bool = False
    reserved_percentage: int = 0
    max_over_subscription_ratio: str = "20.0"  # as the API shows it
    multiattach: bool = False
    qos: bool = True  # limits are kept by the hypervisor
    online_extend: bool = True
    clones_cheaply: bool = True
    encryption: bool = True
    consistent_group_snapshot: bool = False
    reason_down: str | None = None  # why it takes no volumes now
    goodness_function: str | None = None
    filter_function: str | None = None


class Report(Struct, frozen=True):
    """What `volume.report` brings every few seconds. `exports_lost`: volumes whose export came to an end and needs
    `volume.connect` again (the agent keeps no keys)."""

    host: str
    availability_zone: str
    backends: list[BackendReport]
    backup: bool = True  # this host keeps backups too (cinder-backup)
    exports_lost: list[str] = field(default_factory=list)


class BlockDevice(Protocol):
    """An opened volume or snapshot as plain bytes. Offsets and lengths are bytes."""

    size: int

    def read(self, offset: int, length: int) -> bytes: ...

    def write(self, offset: int, data: bytes) -> None: ...

    def zero(self, offset: int, length: int) -> None:
        """Make it read as zeros, without storage where the back end can."""

    def flush(self) -> None:
        """When this returns, what was written outlives a power failure."""

    def extents(self) -> Iterator[tuple[int, int]]:
        """`(offset, length)` of the parts that may hold something else than zeros, in order."""


class OpenDisks(Protocol):
    """The hypervisor of the same host, as far as a back end needs it for volumes that guests have open as files.

    Repeating a call is right. Raises InUse when the guest cannot be told.
    """

    def switch(self, path: Path, over: Path, below: Path, name: Callable[[], None]) -> None:
        """`over` is a new layer upon `path`, which is also called `below`: have the guest that opened `path` flush and
        go on in `over`, then call `name`, which gives it the name `path`.

        A guest that is off, and none at all, is right. `name` raises when somebody still writes to `below`.
        """

    def hand_over(self, path: Path, connection: dict[str, Any], ready: Callable[[], None]) -> bool:
        """Have the guest use `connection` instead of `path`, now and at every later start. False: no guest of this host
        uses either.

        What runs has its writes in both first; when both hold the same, `ready` is called, and from then on the
        connection's alone counts. Of a guest that is off the connection serves `path` itself.
        """


class VolumeDriver(Protocol):
    """One back end. All methods may be repeated; Refused and its kinds are what callers can act on.

    `simulated`: its volumes end, for images made of them, where their data ends.
    """

    simulated: bool

    def report(self) -> BackendReport: ...

    def create(self, volume: Volume) -> Made: ...

    def delete(self, volume_id: str) -> None:
        """Also what was left of a creation that was interrupted. Raises InUse while an attachment has it open."""

    def extend(self, volume_id: str, size_gb: int, key: str | None = None) -> Extended: ...

    def create_snapshot(self, snapshot_id: str, volume_id: str, key: str | None = None) -> None: ...

    def delete_snapshot(self, snapshot_id: str, volume_id: str) -> None: ...

    def clone(self, volume: Volume, source_id: str) -> Made: ...

    def from_snapshot(self, volume: Volume, snapshot_id: str, source_id: str) -> Made: ...

    def from_file(self, volume: Volume, file: Path, format_: Literal["raw", "qcow2"]) -> Made:
        """Make it with the contents of a file that has been inspected and refers to no other."""

    def revert(self, volume_id: str, snapshot_id: str, key: str | None = None) -> None: ...

    def connect(
        self, volume_id: str, attachment_id: str, connector: Connector, mode: str, key: str | None = None
    ) -> dict[str, Any]: ...

    def disconnect(self, volume_id: str, attachment_id: str) -> None: ...

    def opened(
        self, volume_id: str, snapshot_id: str | None = None, *, writable: bool = False, key: str | None = None
    ) -> AbstractContextManager[BlockDevice]:
        """Its bytes, or those of its snapshot. Of a volume that a guest writes to: as they are at this moment."""

    def manage(self, volume: Volume, reference: dict[str, str]) -> Made: ...

    def unmanage(self, volume_id: str) -> None: ...

    def manage_snapshot(self, snapshot_id: str, volume_id: str, reference: dict[str, str]) -> Made: ...

    def manageable(self, known: Sequence[str]) -> list[Manageable]: ...

    def manageable_snapshots(self, known: Sequence[str]) -> list[Manageable]: ...

    def upkeep(self) -> list[str]:
        """Finish what was interrupted, flatten chains, restart exports. Returns volumes that need `connect` again."""


def raw_disk(volume_id: str, mode: str, size: int) -> dict[str, Any]:
    """What a connection_info says of a volume that is plain bytes, wherever they are. `size` in bytes."""
    return {
        "format": "raw",
        "volume_id": volume_id,
        "access_mode": mode,
        "encrypted": False,
        "qos_specs": None,
        "discard": True,
        "size": size,
    }
