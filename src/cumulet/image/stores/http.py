"""Images that lie on web servers: read-only, under the same rules for addresses as imports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cumulet.image.stores.base import DataNotFound, Reader, StoreError, StoreReadOnly, Writer
from cumulet.image.transfer.external import Download, FetchFailed, Refused, fetch
from cumulet.image.transfer.filtering import ImportFilter


class HttpStore:
    """Whatever an allowed web server has."""

    kind = "http"
    read_only = True

    def __init__(self, name: str, filtering: ImportFilter, *, description: str | None = None, weight: int = 0) -> None:
        self.name = name
        self.description = description
        self.weight = weight
        self._filtering = filtering

    def writer(self, image_id: str) -> Writer:
        raise StoreReadOnly(f"Adding images to the store {self.name} is not supported: it is read-only.")

    def url_for(self, image_id: str) -> str | None:
        return None

    def open(self, url: str, *, offset: int = 0, length: int | None = None) -> Reader:
        headers = {}
        if offset or length is not None:
            end = "" if length is None else str(offset + length - 1)
            headers["Range"] = f"bytes={offset}-{end}"
        download = self._fetch("GET", url, headers, accept=(200, 206, 404, 410))
        if download.status == 206:
            return download_reader(download, 0, length)
        return download_reader(download, offset, length)

    def size(self, url: str) -> int | None:
        download = self._fetch("HEAD", url, {}, accept=(200, 404, 405, 410, 501))
        download.close()
        if download.status in (405, 501):
            download = self._fetch("GET", url, {}, accept=(200, 404, 410))
            download.close()
        return download.length

    def detach(self, url: str) -> Callable[[], None]:
        """A web server's data is not ours to delete."""
        return lambda: None

    def claims(self, url: str) -> bool:
        return url.startswith(("http://", "https://"))

    def sweep(self, *, older_than_s: float) -> int:
        return 0

    def properties(self) -> dict[str, Any]:
        return {}

    def _fetch(self, method: str, url: str, headers: dict[str, str], accept: tuple[int, ...]) -> Download:
        try:
            download = fetch(self._filtering, url, method=method, headers=headers, accept=accept)
        except Refused as error:
            raise StoreError(f"Data may not be read from there: {error}.") from error
        except FetchFailed as error:
            raise StoreError(str(error)) from error
        if download.status in (404, 410):
            download.close()
            raise DataNotFound("Image data was not found in the store.")
        return download


def download_reader(download: Download, skip: int, length: int | None) -> Reader:
    return _DownloadReader(download, skip, length)


class _DownloadReader:
    """A download as a store's reader: a server without ranges is read over what was not asked for."""

    def __init__(self, download: Download, skip: int, length: int | None) -> None:
        self._download = download
        self._skip = skip
        self._left = length

    def read(self, size: int) -> bytes:
        try:
            while self._skip:
                over = self._download.read(min(self._skip, 1 << 20))
                if not over:
                    return b""
                self._skip -= len(over)
            if self._left is not None:
                size = min(size, self._left)
            data = self._download.read(size) if size else b""
        except FetchFailed as error:
            raise StoreError(str(error)) from error
        if self._left is not None:
            self._left -= len(data)
        return data

    def close(self) -> None:
        self._download.close()
