"""Image, as a host uses it: what an image is, its data down and up, never more than a piece in memory.

Source: Image API v2 (images, image data).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import quote

import msgspec
import urllib3

from cumulet.kernel.client import Session, Unreachable

_PIECE = 1 << 20
_IDLE_S = 60.0
_PATIENCE_S = 30.0
_AGAIN_S = 0.5


class ImageError(RuntimeError):
    """An image that cannot be had, or is not what it says."""


class _Away(ImageError):
    """Nobody answered, or with an error of the service's own: what is started again or overloaded does so."""


class ImageService(Protocol):
    """Where images are kept."""

    def show(self, image_id: str) -> dict[str, Any]:
        """The image as the API shows it. Raises ImageError."""

    def read(self, image_id: str) -> Iterator[bytes]:
        """Its data, piece by piece. Raises ImageError."""

    def write(self, image_id: str, file: Path, *, disk_format: str) -> None:
        """Upload a file as the image's data; one that is active already stays as it is. Raises ImageError."""


class Glance:
    """Image over its public API, as the service's own user, who logs in at the first need: a cloud may be starting."""

    def __init__(self, login: Callable[[], Session]) -> None:
        self._login = login

    @functools.cached_property
    def _session(self) -> Session:
        return self._login()

    @functools.cached_property
    def _pool(self) -> urllib3.PoolManager:
        trusted = self._session.transport.ca_file
        options: dict[str, Any] = {"ca_certs": trusted} if trusted else {}
        return urllib3.PoolManager(maxsize=4, timeout=_IDLE_S, **options)

    def show(self, image_id: str) -> dict[str, Any]:
        answer = self._request("GET", image_id)
        shown: dict[str, Any] = answer.json()
        return shown

    def read(self, image_id: str) -> Iterator[bytes]:
        """A download that breaks off goes on where it was, as long as each connection brings more."""
        done = before = 0
        while True:
            answer = self._request("GET", image_id, "/file", preload_content=False, begin=done)
            try:
                if answer.status == 204:
                    raise ImageError(f"Image {image_id} has no data.")
                if done and answer.status != 206:
                    raise ImageError(f"Image {image_id} broke off, and the rest cannot be had alone.")
                for piece in answer.stream(_PIECE):
                    done += len(piece)
                    yield piece
                return
            except urllib3.exceptions.HTTPError as error:
                if done == before:
                    raise ImageError(f"Image {image_id} broke off: {error}") from None
                before = done
            finally:
                answer.release_conn()

    def write(self, image_id: str, file: Path, *, disk_format: str) -> None:
        shown = self.show(image_id)
        if shown["status"] == "active":
            return
        if shown.get("disk_format") != disk_format or not shown.get("container_format"):
            self._describe(image_id, shown, disk_format)
        with file.open("rb") as source:
            self._request("PUT", image_id, "/file", body=source, content_type="application/octet-stream")

    def _describe(self, image_id: str, shown: dict[str, Any], disk_format: str) -> None:
        wanted = {"disk_format": disk_format, "container_format": shown.get("container_format") or "bare"}
        patch = [
            {"op": "replace" if name in shown else "add", "path": f"/{name}", "value": value}
            for name, value in wanted.items()
        ]
        self._request(
            "PATCH",
            image_id,
            body=msgspec.json.encode(patch),
            content_type="application/openstack-images-v2.1-json-patch",
        )

    def _request(self, method: str, image_id: str, tail: str = "", **rest: Any) -> urllib3.BaseHTTPResponse:
        """Asked again for a while where Image is away; not with a file, of which a part may have been taken."""
        until = time.monotonic() + (0.0 if hasattr(rest.get("body"), "read") else _PATIENCE_S)
        while True:
            try:
                return self._ask(method, image_id, tail, **rest)
            except _Away:
                if time.monotonic() + _AGAIN_S > until:
                    raise
            time.sleep(_AGAIN_S)

    def _ask(
        self,
        method: str,
        image_id: str,
        tail: str,
        *,
        body: bytes | IO[bytes] | None = None,
        content_type: str | None = None,
        preload_content: bool = True,
        begin: int = 0,
    ) -> urllib3.BaseHTTPResponse:
        path = f"/v2/images/{quote(image_id, safe='')}{tail}"
        try:
            for attempt in (1, 2):
                headers = {"X-Auth-Token": self._session.token()}
                if content_type:
                    headers["Content-Type"] = content_type
                if begin:
                    headers["Range"] = f"bytes={begin}-"
                url = self._session.endpoint("image") + path
                answer = self._pool.request(
                    method,
                    url,
                    headers=headers,
                    body=body,
                    preload_content=preload_content,
                    redirect=False,
                    retries=False,
                )
                if answer.status != 401 or attempt == 2 or hasattr(body, "read"):
                    break
                self._session.forget()
        except LookupError as error:
            raise ImageError(f"The image service does not answer: {error}") from None
        except (urllib3.exceptions.HTTPError, Unreachable) as error:
            raise _Away(f"The image service does not answer: {error}") from None
        if answer.status == 404:
            raise ImageError(f"Image {image_id} could not be found.")
        if answer.status >= 300:
            kind = _Away if answer.status >= 500 else ImageError
            raise kind(f"The image service answered {answer.status} to {method} of image {image_id}.")
        return answer
