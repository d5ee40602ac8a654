"""Backups in an object store, by the Object Storage API v1 (containers, objects; large listings by `marker`).

One container of the store holds all backups (`backup_swift_container`); a backup's files are objects that share a
prefix. Sums of what is sent go with it, so the store refuses what was altered on its way; what is read back is judged
by the backup's own checksums, wherever it lies.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import quote

from cumulet.agents.volume.backups.manifest import MANIFEST
from cumulet.agents.volume.backups.stores import Shelf, Write
from cumulet.agents.volume.protocols import BadBackup, Refused
from cumulet.kernel.client import Response, Session, Unreachable

log = logging.getLogger(__name__)

_SERVICE: Final = "object-store"
_AGAIN_S: Final = 0.5
_PAGE: Final = 1000
_PARTS: Final = 4  # container/ab/cd/id


class ObjectStore:
    """`login` makes the session of the account that owns the backups, at the first need: a cloud may be starting.

    A request that fails on the store's side is sent `attempts` times.
    """

    def __init__(self, login: Callable[[], Session], *, container: str = "volumebackups", attempts: int = 3) -> None:
        if not container or "/" in container or len(container.encode()) > 256:
            raise ValueError(f"backup_swift_container {container!r} cannot be a container's name")
        self._login = login
        self._container = container
        self._attempts = max(1, attempts)
        self._session: Session | None = None

    def container_of(self, backup_id: str) -> str:
        return f"{self._container}/{backup_id[:2]}/{backup_id[2:4]}/{backup_id}"

    def at(self, container: str) -> Shelf:
        return _Objects(self, self._checked(container))

    @contextlib.contextmanager
    def writing(self, container: str) -> Iterator[Write]:
        """The manifest is the last object, and nothing without one is a backup; so what was left of an attempt is
        removed at the next one."""
        checked = self._checked(container)
        self._expect(self._ask("PUT", quote(self._container)), 201, 202)
        self.delete(container)
        kept: dict[str, bytes] = {}

        def write(name: str, data: bytes) -> None:
            if name == MANIFEST:
                kept[name] = data
            else:
                self._put(f"{checked}/{name}", data)

        yield write
        for name, data in kept.items():
            self._put(f"{checked}/{name}", data)

    def delete(self, container: str) -> None:
        """The manifest first: what is left of a deletion that was interrupted is no backup."""
        checked = self._checked(container)
        names = self._names(checked)
        for name in sorted(names, key=lambda name: not name.endswith(f"/{MANIFEST}")):
            self._expect(self._ask("DELETE", quote(f"{self._container}/{name}")), 204, 404)

    def _checked(self, container: str) -> str:
        """Raises BadBackup for another container than this host's, and for what is no single backup's prefix."""
        parts = container.split("/")
        if len(parts) != _PARTS or parts[0] != self._container or not all(parts):
            raise BadBackup(f"The backup is not in the container {self._container} of the object store.")
        return container

    def _names(self, container: str) -> list[str]:
        """The objects of one backup, without the store's container."""
        prefix = container.partition("/")[2] + "/"
        found: list[str] = []
        while True:
            marker = quote(found[-1], safe="") if found else ""
            query = f"?format=json&limit={_PAGE}&prefix={quote(prefix, safe='')}&marker={marker}"
            answer = self._ask("GET", quote(self._container) + query)
            if answer.status == 404:
                return found
            self._expect(answer, 200, 204)
            page = [str(entry["name"]) for entry in answer.json()] if answer.body else []
            if not page:
                return found
            found += page

    def _put(self, path: str, data: bytes) -> None:
        """The sum is compared by the store before it keeps the object (422 otherwise)."""
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        headers = {"ETag": etag, "Content-Type": "application/octet-stream"}
        self._expect(self._ask("PUT", quote(path), headers=headers, data=data), 201)

    def get(self, path: str) -> bytes:
        answer = self._ask("GET", quote(path))
        if answer.status == 404:
            raise FileNotFoundError(path)
        self._expect(answer, 200)
        return answer.body

    def _ask(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, data: bytes | None = None
    ) -> Response:
        for attempt in range(1, self._attempts + 1):
            try:
                if self._session is None:
                    self._session = self._login()
                answer = self._session.request(method, _SERVICE, f"/{path}", headers=headers, data=data)
                if answer.status < 500 or attempt == self._attempts:
                    return answer
                log.info("the object store answered %s %s with %d", method, path, answer.status)
            except LookupError:
                raise Refused("There is no object store: the catalog has no endpoint of type object-store.") from None
            except (Unreachable, ValueError) as error:
                if attempt == self._attempts:
                    raise Refused(f"The object store does not answer: {error}") from None
                log.info("the object store does not answer: %s", error)
            time.sleep(_AGAIN_S * attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    @staticmethod
    def _expect(answer: Response, *good: int) -> None:
        if answer.status not in good:
            raise Refused(f"The object store answered with {answer.status} where {good[0]} was expected.")


class _Objects:
    def __init__(self, store: ObjectStore, container: str) -> None:
        self._store = store
        self._container = container

    def read(self, name: str) -> bytes:
        return self._store.get(f"{self._container}/{name}")
