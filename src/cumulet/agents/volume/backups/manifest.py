"""A backup's table of contents.

A backup is a container (stores.py) with `manifest.json`, `blocks` and numbered objects. `blocks` has 32 bytes for every
block of the volume: the SHA-256 of its bytes, or 32 zero bytes for a block of zeros. An object is a compressed run of
blocks. The manifest names the checksum of `blocks` and of every object; its own SHA-256 is kept by the engine. So no
byte can be torn or altered unseen, not even by one who may write to the store.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

import msgspec

from cumulet.agents.volume.backups.stores import Shelf
from cumulet.agents.volume.protocols import BadBackup

BLOCK: Final = 1 << 20
MANIFEST: Final = "manifest.json"
BLOCKS: Final = "blocks"
ZERO: Final = bytes(32)


class Object(msgspec.Struct, frozen=True):
    """One file: `runs` are `(first block, count)` of what it holds, in order."""

    name: str
    bytes: int
    sha256: str
    runs: list[tuple[int, int]]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    backup_id: str
    volume_id: str
    size: int  # bytes of the volume
    algorithm: str
    parent: str | None  # its digest
    blocks_sha256: str
    objects: list[Object]


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read(shelf: Shelf, digest: str, backup_id: str) -> Manifest:
    """The manifest, if it is the one whose digest is known. An imported backup may go by another id than it was
    written under. Raises BadBackup."""
    try:
        data = shelf.read(MANIFEST)
    except OSError:
        raise BadBackup(f"Backup {backup_id} has no table of contents.") from None
    if not hmac.compare_digest(digest_of(data), digest):
        raise BadBackup(f"The table of contents of backup {backup_id} was altered.")
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.ValidationError as error:
        raise BadBackup(f"Backup {backup_id} has a table of contents of another form: {error}") from None
    if manifest.version != 1:
        raise BadBackup(f"Backup {backup_id} was written by a newer version.")
    return manifest


def read_blocks(shelf: Shelf, manifest: Manifest) -> bytes:
    """Every block's checksum. Raises BadBackup."""
    try:
        table = shelf.read(BLOCKS)
    except OSError:
        raise BadBackup(f"Backup {manifest.backup_id} has no list of blocks.") from None
    expected = -(-manifest.size // BLOCK) * len(ZERO)
    if len(table) != expected or not hmac.compare_digest(digest_of(table), manifest.blocks_sha256):
        raise BadBackup(f"The list of blocks of backup {manifest.backup_id} was altered.")
    return table
