"""Where backups are kept: a directory that hosts may share. `swift.py` has the other one, an object store.

A backup is a container of named files, written once; `manifest.json` comes last: a container without it is no backup.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from cumulet.agents.volume.durable import sync_directory, write_durably
from cumulet.agents.volume.protocols import BadBackup

Write = Callable[[str, bytes], None]
"""Puts a file of this name into the container that is being written."""


class Shelf(Protocol):
    """One container, for reading."""

    def read(self, name: str) -> bytes:
        """Raises FileNotFoundError for what is not there, Refused when the store does not answer."""


class Store(Protocol):
    def container_of(self, backup_id: str) -> str:
        """Where a new backup of this id goes."""

    def at(self, container: str) -> Shelf:
        """Raises BadBackup for a container that leads elsewhere (an imported record may say anything)."""

    def writing(self, container: str) -> AbstractContextManager[Write]:
        """The container is there whole when this ends well, and not at all otherwise."""

    def delete(self, container: str) -> None:
        """One that is not there is right too."""


class Directory:
    """Backups below `root`. Each is written aside and renamed at its end."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def container_of(self, backup_id: str) -> str:
        return str(Path(backup_id[:2]) / backup_id[2:4] / backup_id)

    def at(self, container: str) -> Shelf:
        return _Files(self._folder(container))

    @contextlib.contextmanager
    def writing(self, container: str) -> Iterator[Write]:
        folder = self._folder(container)
        aside = folder.with_name(f".{folder.name}.new")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(mode=0o700, parents=True)
        yield lambda name, data: write_durably(aside / name, data)
        sync_directory(aside)
        aside.replace(folder)
        for above in (folder.parent, folder.parent.parent, self._root):
            sync_directory(above)

    def delete(self, container: str) -> None:
        folder = self._folder(container)
        for path in (folder, folder.with_name(f".{folder.name}.new")):
            gone = path.with_name(f".{path.name}.gone")
            shutil.rmtree(gone, ignore_errors=True)
            if path.exists():
                path.replace(gone)
                shutil.rmtree(gone)

    def _folder(self, container: str) -> Path:
        folder, root = (self._root / container).resolve(), self._root.resolve()
        if not folder.is_relative_to(root) or len(folder.relative_to(root).parts) != len(Path("ab/cd/id").parts):
            raise BadBackup("The backup's container is none in the directory of backups.")
        return folder


class _Files:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()
