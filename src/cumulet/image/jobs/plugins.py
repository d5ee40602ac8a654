"""What is done with imported data before it is stored ([image_import_opts] image_import_plugins), in that order."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

import msgspec
from sqlalchemy.engine import Connection

from cumulet.image.domain.records import Image
from cumulet.image.jobs.progress import TaskFailed, TaskRun
from cumulet.image.schemas.images import RESERVED_NAMESPACE
from cumulet.image.service import ImageService
from cumulet.image.stores.base import Writer
from cumulet.image.transfer.inspection import Inspection
from cumulet.image.transfer.receiving import CHUNK, TooLarge, copy

_CONVERT_TIMEOUT_S = 6 * 3600
_ADDRESS_SPACE = 1 << 30  # bytes that qemu-img may use: what it reads is not trusted
_THREAD_STACK = 1 << 20
"""bytes. By default a thread takes 8 MiB of stack and 128 MiB for an arena of malloc out of the address space, and
qemu-img starts up to 64, as many as the disk is slow."""
_CPU_S = 3600
_MAGIC: tuple[tuple[bytes, Callable[[BinaryIO], Any]], ...] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
    (b"BZh", bz2.BZ2File),
)


def apply(service: ImageService, task: TaskRun) -> None:
    """Raises what `progress.KNOWN_FAILURES` names."""
    for name in service.conf.image_import_opts.image_import_plugins:
        plugin = PLUGINS.get(name)
        if plugin is None:
            raise TaskFailed(f"There is no import plugin {name}.")
        plugin(service, task)


def _nothing(service: ImageService, task: TaskRun) -> None:
    """`no_op` exists in the original to show that plugins run."""


def _staged(service: ImageService, image_id: str) -> Path:
    return Path(unquote(urlsplit(service.stores.staging.url_for(image_id)).path))


def _replace_staged(service: ImageService, task: TaskRun, fill: Callable[[Writer], int], **attributes: Any) -> None:
    """Write new staged data and put it in the place of the old together with what it says of the image."""
    writer = service.stores.staging.writer(task.image_id)
    try:
        size = fill(writer)

        def replaced(connection: Connection, image: Image) -> None:
            image.size = size
            for name, value in attributes.items():
                setattr(image, name, value)
            writer.publish()

        task.change(replaced)
    finally:
        writer.abort()


def decompress(service: ImageService, task: TaskRun) -> None:
    """`image_decompression`: data in a `compressed` container (gzip, xz, bzip2) becomes what is inside, `bare`."""
    if task.image().container_format != "compressed":
        return
    cap = service.conf.image_size_cap
    with _staged(service, task.image_id).open("rb") as file:
        head = file.read(6)
        file.seek(0)
        opener = next((opener for magic, opener in _MAGIC if head.startswith(magic)), None)
        if opener is None:
            raise TaskFailed("The data is in none of the compressed formats gzip, xz and bzip2.")

        def fill(writer: Writer) -> int:
            try:
                return copy(opener(file), writer, limit=cap, progress=task.progress)
            except (OSError, EOFError, lzma.LZMAError) as error:
                raise TaskFailed(f"The data cannot be decompressed: {error}") from error

        _replace_staged(service, task, fill, container_format="bare")


def inject(service: ImageService, task: TaskRun) -> None:
    """`inject_image_metadata`: properties of the operator's choice, but not on administrators' images."""
    section = service.conf.inject_metadata_properties
    if set(task.job.payload.get("roles") or ()) & set(section.ignore_user_roles):
        return
    properties = {name: value for name, value in section.inject.items() if not name.startswith(RESERVED_NAMESPACE)}

    def injected(connection: Connection, image: Image) -> None:
        image.properties.update(properties)

    if properties:
        task.change(injected)


def convert(service: ImageService, task: TaskRun) -> None:
    """`image_conversion`: the operator's format for all disks. ISO images stay as they are."""
    image = task.image()
    wanted = service.conf.image_conversion.output_format
    if image.container_format != "bare" or image.disk_format in (wanted, "iso", "aki", "ari", "ami"):
        return
    source = _staged(service, image.id)
    _inspect(service, image, source)
    target = source.with_name(f".converted.{image.id}")
    try:
        virtual_size = _convert(source, str(image.disk_format), target, wanted)
        with target.open("rb") as file:
            _replace_staged(
                service,
                task,
                lambda writer: copy(file, writer, limit=service.conf.image_size_cap, progress=task.progress),
                disk_format=wanted,
                virtual_size=virtual_size,
            )
    finally:
        target.unlink(missing_ok=True)


def _inspect(service: ImageService, image: Image, source: Path) -> None:
    """Nothing is given to qemu-img that has not been found to be what it claims, and safe."""
    with source.open("rb") as file:
        inspection = Inspection(
            file,
            service.conf,
            disk_format=image.disk_format or "",
            container_format=image.container_format or "",
        )
        while inspection.read(CHUNK):
            pass
        size = inspection.finish()
    cap = service.conf.image_size_cap
    if (size or 0) > cap:
        raise TooLarge(cap)


def _convert(source: Path, source_format: str, target: Path, wanted: str) -> int:
    """The virtual size of the result. The source's format is said, never probed."""
    program = shutil.which("qemu-img")
    if program is None:
        raise TaskFailed("Images cannot be converted: qemu-img is not installed on this host.")
    name = {"vhd": "vpc"}.get(source_format, source_format)
    _qemu_img([program, "convert", "-f", name, "-O", wanted, str(source), str(target)], _CONVERT_TIMEOUT_S)
    described = _qemu_img([program, "info", "-f", wanted, "--output=json", str(target)], 60)
    return int(msgspec.json.decode(described)["virtual-size"])


def _qemu_img(command: list[str], timeout_s: float) -> bytes:
    limits = ["prlimit", f"--as={_ADDRESS_SPACE}", f"--stack={_THREAD_STACK}", f"--cpu={_CPU_S}", "--"]
    if shutil.which("prlimit") is None:
        limits = []
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "MALLOC_ARENA_MAX": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, its arguments a list of our own paths
            [*limits, *command], capture_output=True, timeout=timeout_s, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise TaskFailed("The image could not be converted in time.") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        for path in (word for word in command if word.startswith("/")):
            said = said.replace(path, Path(path).name)  # where things lie is the operator's business
        said = said[-500:]
        raise TaskFailed(f"The image cannot be converted: {said or f'qemu-img ended with {done.returncode}'}")
    return done.stdout


PLUGINS: dict[str, Callable[[ImageService, TaskRun], None]] = {
    "no_op": _nothing,
    "image_decompression": decompress,
    "inject_image_metadata": inject,
    "image_conversion": convert,
}
