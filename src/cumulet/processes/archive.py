"""Backup and restore: everything a cloud keeps in one file, as of one moment.

The archive is a gzipped tar: `manifest.json`, `databases/`, `state/` (keys, images, settings), `config/`.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from cumulet import __version__
from cumulet.kernel import migrate
from cumulet.kernel.paths import Paths
from cumulet.kernel.settings import Settings
from cumulet.processes import apps, dumps

_FORMAT = 1


class Manifest(msgspec.Struct, kw_only=True):
    """What is in an archive: `databases` says for each service its file and the revision of its tables."""

    format: int
    version: str
    made_at: float  # seconds since 1970
    databases: dict[str, tuple[str, str | None]]


class NotRestorable(Exception):
    """The file is no archive of ours, or one from the future. The message is for the operator."""


def save(settings: Settings, target: Path) -> Manifest:
    """Write the archive, readable by its owner only. The cloud may be running. Raises dumps.DumpFailed."""
    paths = settings.paths
    running = apps.build(settings)
    databases = {one.description.name: one.service.db for one in running}
    schemas = {one.description.name: one.description.load().SCHEMA for one in running}
    manifest = Manifest(
        format=_FORMAT,
        version=__version__,
        made_at=time.time(),
        databases={
            name: (dumps.file_name(name, database), migrate.current(database, schemas[name]))
            for name, database in databases.items()
        },
    )
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with (
            tempfile.TemporaryDirectory(prefix="cumulet-backup-", dir=paths.state) as scratch,
            os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file,
            tarfile.open(fileobj=file, mode="w:gz", compresslevel=3) as archive,
        ):
            _dump_databases(databases, Path(scratch))
            _add_bytes(archive, "manifest.json", msgspec.json.encode(manifest))
            archive.add(scratch, "databases")
            for entry in sorted(paths.state.iterdir()):
                if entry not in _left_out(paths) and not entry.name.startswith("cumulet-backup-"):
                    archive.add(entry, f"state/{entry.name}", filter=_plain)
            archive.add(paths.config, "config", filter=_plain)
            archive.close()
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
        for database in databases.values():
            database.close()
    return manifest


def _dump_databases(databases: dict[str, dumps.Database], scratch: Path) -> None:
    with dumps.snapshots(databases) as snapshots:
        for name, database in databases.items():
            file = scratch / dumps.file_name(name, database)
            if name in snapshots:
                dumps.copy(snapshots[name], file)
            else:
                dumps.dump(database, file)


def _left_out(paths: Paths) -> set[Path]:
    """Databases are saved by their own means; the configuration apart; logs and sockets are no state."""
    return {paths.databases, paths.config, paths.logs, paths.run}


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Files, directories and links; sockets and the like are left out."""
    return member if member.isfile() or member.isdir() or member.issym() else None


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(data), 0o600, int(time.time())
    archive.addfile(member, io.BytesIO(data))


def restore(source: Path, paths: Paths, state_dir: str | None) -> Manifest:
    """Put an archive in place of what is in these directories. The cloud must be down.

    Everything is unpacked and checked beside its place first, so a broken archive changes nothing.
    Raises NotRestorable or dumps.DumpFailed.
    """
    paths.make()
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=paths.state) as scratch_name:
        scratch = Path(scratch_name)
        manifest = _unpack(source, scratch)
        settings = msgspec.json.decode((scratch / "state" / "settings.json").read_bytes(), type=Settings)
        settings = msgspec.structs.replace(settings, state_dir=state_dir)
        _replace_tree(scratch / "config", paths.config)
        for entry in sorted((scratch / "state").iterdir()):
            _replace_tree(entry, paths.state / entry.name)
        settings.save()
        _restore_databases(manifest, scratch / "databases", settings)
    return manifest


def _unpack(source: Path, scratch: Path) -> Manifest:
    try:
        with tarfile.open(source, "r:gz") as archive:
            archive.extraction_filter = lambda member, _: member  # asked by newer Pythons only: `_harmless` does it
            archive.extractall(scratch, members=_harmless(archive, scratch.resolve()))  # noqa: S202 (each is looked at)
        manifest = msgspec.json.decode((scratch / "manifest.json").read_bytes(), type=Manifest)
    except (tarfile.TarError, OSError, EOFError, msgspec.DecodeError) as error:
        raise NotRestorable(f"{source} is not a whole backup of a cloud: {error}") from error
    if manifest.format > _FORMAT:
        raise NotRestorable(f"{source} was made by Cumulet {manifest.version}, which is newer than this one")
    missing = [file for file, _ in manifest.databases.values() if not (scratch / "databases" / file).exists()]
    if missing or not (scratch / "state" / "settings.json").exists():
        raise NotRestorable(f"{source} lacks {', '.join(missing) or 'the settings'}")
    return manifest


def _harmless(archive: tarfile.TarFile, root: Path) -> Iterator[tarfile.TarInfo]:
    """The members, each looked at after those before it are unpacked, as the current user's plain files.

    TarError for what would land or point outside, and for what `save` never writes (devices, hard links). PEP 706 has
    such a filter, but Debian 12's Python is older than that.
    """
    for member in archive:
        place = (root / member.name).resolve()
        inside = place.is_relative_to(root)
        if member.issym():
            inside = inside and (place.parent / member.linkname).resolve().is_relative_to(root)
        if not inside or not (member.isfile() or member.isdir() or member.issym()):
            raise tarfile.TarError(f"{member.name} does not belong in one")
        member.mode &= 0o755
        member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
        yield member


def _replace_tree(new: Path, place: Path) -> None:
    if new.is_dir() and place.is_dir():
        for old in place.iterdir():
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
        for entry in new.iterdir():
            shutil.move(entry, place / entry.name)
    else:
        place.unlink(missing_ok=True)
        shutil.move(new, place)


def _restore_databases(manifest: Manifest, dumped: Path, settings: Settings) -> None:
    for one in apps.build(settings):
        name, database = one.description.name, one.service.db
        file, _ = manifest.databases.get(name, (None, None))
        if file is None:
            continue
        if file != dumps.file_name(name, database):
            raise NotRestorable(f"the backup of {name} is {file}, but it is configured to use {database.backend} now")
        if database.is_sqlite:
            path = Path(database.url.database or "")
            database.close()
            for suffix in ("", "-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            shutil.move(dumped / file, path)
        else:
            dumps.load(database, dumped / file)
            database.close()
