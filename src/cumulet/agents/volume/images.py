"""Images in and out: downloaded and judged before anything opens them, uploaded as plain bytes or converted."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

import urllib3
from oslo_utils.imageutils import format_inspector

from cumulet.agents.volume import qemu
from cumulet.agents.volume.devices.files import FileDevice
from cumulet.agents.volume.protocols import BadImage, BlockDevice, Image, Refused, Upload

log = logging.getLogger(__name__)

GIB: Final = 1 << 30
_PIECE: Final = 1 << 20
_TRIES: Final = 6
_PAUSE_S: Final = 1.0  # after the first try, and longer by as much after each
_PLAIN: Final = frozenset({"raw", "ami", "ari", "aki", "iso"})
"""Formats that are the disk's bytes as they are."""
_QEMU: Final = {"qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx", "ploop": "parallels"}


class Judged(NamedTuple):
    """A local file that is safe to open in this format; `virtual_size` in bytes."""

    file: Path
    format: Literal["raw", "qcow2"]
    virtual_size: int


class Images:
    """Speaks to Image with the tokens it is given. Files wait in `folder`."""

    def __init__(self, folder: Path, *, ca_file: str | None = None) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._pool = urllib3.PoolManager(
            maxsize=8, timeout=urllib3.Timeout(connect=10, read=120), ca_certs=ca_file or None
        )
        for left in folder.glob("image-*"):  # of a process that was killed
            left.unlink(missing_ok=True)

    @contextlib.contextmanager
    def fetched(self, image: Image, size_gb: int, *, convert: bool = True) -> Iterator[Judged]:
        """The image as a local raw or qcow2 file that fits a volume of this size. Raises BadImage.

        Without `convert` its bytes are taken as they are (a simulated volume has no use for them).
        """
        if image.container_format not in ("bare", "ova") or (image.disk_format not in _QEMU.keys() | _PLAIN):
            raise BadImage(f"Image {image.id} ({image.disk_format}, {image.container_format}) is no disk.")
        file = self._folder / f"image-{secrets.token_hex(8)}"
        try:
            self._download(image, file)
            if convert:
                yield self._judge(image, file, size_gb)
            else:
                yield Judged(file, "raw", file.stat().st_size)
        finally:
            for left in self._folder.glob(f"{file.name}*"):
                left.unlink(missing_ok=True)

    def _download(self, image: Image, file: Path) -> None:
        for attempt in range(1, _TRIES + 1):
            try:
                return self._download_once(image, file)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if attempt == _TRIES:
                    raise Refused(f"Image {image.id} could not be downloaded: {error}") from None
                log.info("downloading image %s again: %s", image.id, error)
                time.sleep(attempt * _PAUSE_S)
        return None

    def _download_once(self, image: Image, file: Path) -> None:
        digest = _digest_of(image)
        headers = {"X-Auth-Token": image.token}
        url = f"{image.url}/v2/images/{image.id}/file"
        answer = self._pool.request("GET", url, headers=headers, preload_content=False, redirect=False, retries=False)
        received = 0
        try:
            if answer.status == 204:
                raise BadImage(f"Image {image.id} has no data.")
            if answer.status >= 500:  # away, or being started again
                raise urllib3.exceptions.HTTPError(f"Image answered with {answer.status}")
            if answer.status != 200:
                raise BadImage(f"Image answered with {answer.status} when asked for image {image.id}.")
            with file.open("wb") as out:
                for piece in answer.stream(_PIECE):
                    received += len(piece)
                    digest.update(piece)
                    if piece.strip(b"\0"):
                        out.write(piece)
                    else:
                        out.seek(len(piece), 1)
                out.truncate(received)
        finally:
            answer.release_conn()
        if image.size is not None and received != image.size:
            raise urllib3.exceptions.IncompleteRead(received, image.size - received)
        expected = image.os_hash_value or image.checksum
        if expected is not None and digest.hexdigest() != expected:
            raise BadImage(f"Image {image.id} arrived with another checksum than it has.")

    def _judge(self, image: Image, file: Path, size_gb: int) -> Judged:
        """What the data is, whatever it is said to be."""
        try:
            found = format_inspector.detect_file_format(str(file))
            if found is None:
                raise BadImage(f"Image {image.id} is of no known format.")
            name = str(found)
            if name not in ("raw", "gpt", "iso", "luks"):
                found.safety_check()
            size = file.stat().st_size if name in ("raw", "gpt", "iso", "luks") else int(found.virtual_size)
        except (format_inspector.ImageFormatError, format_inspector.SafetyCheckFailed) as error:
            raise BadImage(f"Image {image.id} is not safe to use: {error}") from None
        _agree(image, name)
        if size > size_gb * GIB:
            raise BadImage(f"Size of specified image {-(-size // GIB)}GB is larger than volume size {size_gb}GB.")
        if name in ("raw", "gpt", "iso", "luks"):
            return Judged(file, "raw", size)
        if name == "qcow2":
            return Judged(file, "qcow2", size)
        converted = file.with_name(f"{file.name}.qcow2")
        qemu.img("convert", "-f", _QEMU[name], "-O", "qcow2", file, converted, foreign=True)
        return Judged(converted, "qcow2", size)

    def upload(self, upload: Upload, device: BlockDevice, *, to_data_end: bool = False) -> int:
        """Send the device's bytes as the image's data; how many bytes the image has."""
        size = _data_end(device) if to_data_end else device.size
        if upload.disk_format in _PLAIN or to_data_end:
            return self._put(upload, device, size)
        if upload.disk_format not in _QEMU:
            raise BadImage(f"Volumes cannot be uploaded as {upload.disk_format}.")
        raw = self._folder / f"image-{secrets.token_hex(8)}"
        made = raw.with_name(f"{raw.name}.made")
        try:
            _copy(device, raw)
            qemu.img("convert", "-f", "raw", "-O", _QEMU[upload.disk_format], raw, made)
            raw.unlink()
            length = made.stat().st_size
            with FileDevice(made, length) as file:
                return self._put(upload, file, length)
        finally:
            raw.unlink(missing_ok=True)
            made.unlink(missing_ok=True)

    def _put(self, upload: Upload, device: BlockDevice, size: int) -> int:
        full = set(_pieces_with_data(device))

        def pieces() -> Iterator[bytes]:
            for offset in range(0, size, _PIECE):
                length = min(_PIECE, size - offset)
                yield device.read(offset, length) if offset // _PIECE in full else bytes(length)

        headers = {
            "X-Auth-Token": upload.token,
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size),
        }
        url = f"{upload.url}/v2/images/{upload.id}/file"
        try:
            answer = self._pool.request("PUT", url, headers=headers, body=pieces(), redirect=False, retries=False)
        except urllib3.exceptions.HTTPError as error:
            raise Refused(f"The volume could not be uploaded to image {upload.id}: {error}") from None
        if answer.status == 409 and self._is_active(upload):
            return size  # by an upload whose end was not heard of
        if answer.status != 204:
            raise Refused(f"Image answered with {answer.status} to the upload of image {upload.id}.")
        return size

    def _is_active(self, upload: Upload) -> bool:
        url = f"{upload.url}/v2/images/{upload.id}"
        answer = self._pool.request("GET", url, headers={"X-Auth-Token": upload.token}, redirect=False, retries=False)
        return answer.status == 200 and answer.json().get("status") == "active"


def _digest_of(image: Image) -> hashlib._Hash:
    if image.os_hash_value and image.os_hash_algo:
        return hashlib.new(image.os_hash_algo)
    return hashlib.md5(usedforsecurity=False)


def _agree(image: Image, found: str) -> None:
    """The format an image is said to have must be the one it has: another one is a trick or a mistake."""
    claimed = image.disk_format
    plain = claimed in _PLAIN and found in ("raw", "gpt", "iso", "luks")
    if not plain and claimed != found:
        raise BadImage(f"Image {image.id} is said to be {claimed}, but it is {found}.")


def _pieces_with_data(device: BlockDevice) -> Iterator[int]:
    for offset, length in device.extents():
        yield from range(offset // _PIECE, (offset + length - 1) // _PIECE + 1)


def _data_end(device: BlockDevice) -> int:
    end = 512
    for offset, length in device.extents():
        end = max(end, offset + length)
    return min(device.size, end)


def _copy(device: BlockDevice, file: Path) -> None:
    with file.open("wb") as out:
        out.truncate(device.size)
    with FileDevice(file, device.size, writable=True) as target:
        for start, length in device.extents():
            for offset in range(start, start + length, _PIECE):
                target.write(offset, device.read(offset, min(_PIECE, start + length - offset)))
