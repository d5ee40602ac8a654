"""The files that hold data. A layer is written aside and named at its end; its header says what it stands upon."""

from __future__ import annotations

import os
import secrets
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from cumulet.agents.volume import qemu
from cumulet.agents.volume.durable import sync_directory, sync_file
from cumulet.agents.volume.protocols import Refused

GIB: Final = 1 << 30
_MAGIC: Final = b"QFI\xfb"
_ASIDE: Final = ".new-"
_KEY_WORK_MS: Final = "10"
"""How long a passphrase is stretched. Ours are 256 random bits, which nobody guesses."""
_KEY_TRIES: Final = 5
_NO_MEASURE: Final = "accurate CPU usage"


def format_of(layer: str) -> str:
    return layer.rpartition(".")[2]


def new_name(format_: str) -> str:
    return f"{secrets.token_hex(12)}.{format_}"


class Layers:
    """The layers of a back end, in one directory."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder

    def path(self, layer: str) -> Path:
        return self.folder / layer

    # -- making ----------------------------------------------------------------------------------------------------

    def empty(self, size_gb: int, format_: str, key: str | None = None) -> str:
        """A new layer of zeros."""

        def make(path: Path) -> None:
            if format_ == "raw":
                path.touch(0o600)
                os.truncate(path, size_gb * GIB)
                return
            _create(path, "qcow2", size_gb, key)

        return self._made(new_name("raw" if format_ == "raw" else "qcow2"), make)

    def overlay(self, below: str, size_gb: int, name: str | None = None) -> str:
        """A new layer that shows what `below` holds. With `name` one that is there already is taken."""
        layer = name or new_name("qcow2")
        if name is not None and self.path(name).exists():
            return name

        def make(path: Path) -> None:
            qemu.img("create", "-q", "-u", "-f", "qcow2", "-b", below, "-F", format_of(below), path, str(size_gb * GIB))

        return self._made(layer, make)

    def prepare(self, head: str, frozen: str, over: str, size_gb: int) -> None:
        """Call what `head` is `frozen` too, and make a new layer `over` upon it. Repeating it is right."""
        top, below = self.path(head), self.path(frozen)
        if not below.exists():
            below.hardlink_to(top)
            sync_directory(self.folder)
        if top.samefile(below):
            self.overlay(frozen, size_gb, over)

    def rename(self, over: str, head: str, frozen: str) -> None:
        """Call `over` what `head` was, in one step. It keeps its own name until somebody takes that away."""
        if not self.path(head).samefile(self.path(frozen)):
            return
        aside = self.folder / f"{_ASIDE}{os.getpid()}-{head}"
        aside.unlink(missing_ok=True)
        aside.hardlink_to(self.path(over))
        aside.replace(self.path(head))
        sync_directory(self.folder)

    def forget(self, head: str, frozen: str, over: str) -> bool:
        """Take back what `prepare` did. False when that is too late: somebody writes to the new layer, or it is the
        head."""
        if not self.path(head).samefile(self.path(frozen)) or self.is_open(over):
            return False
        self.path(over).unlink()
        self.path(frozen).unlink()
        sync_directory(self.folder)
        return True

    def copy(
        self,
        source: Path,
        source_format: str,
        size_gb: int,
        format_: str,
        *,
        source_key: str | None = None,
        key: str | None = None,
        foreign: bool = False,
    ) -> str:
        """A new layer of its own with all that `source` shows, with zeros up to `size_gb`."""

        def make(path: Path) -> None:
            if key is None and source_key is None:
                qemu.img("convert", "-f", source_format, "-O", format_, source, path, foreign=foreign)
                _grow(path, format_, size_gb)
                return
            _create(path, format_, size_gb, key)
            keys = {name: value for name, value in (("key", key), ("from", source_key)) if value is not None}
            given = [
                "--target-is-zero",
                "-n",
                "--image-opts",
                _opened(source, source_format, "from" if source_key is not None else None),
                "--target-image-opts",
                _opened(path, format_, "key" if key is not None else None),
            ]
            qemu.img("convert", *given, secrets=keys, foreign=foreign)

        return self._made(new_name(format_), make)

    def adopt(self, file: Path, format_: str) -> str:
        """Take a file that is there already as a layer, which has its old name too until somebody takes that away."""
        layer = new_name(format_)
        self.path(layer).hardlink_to(file)
        sync_directory(self.folder)
        return layer

    def _made(self, layer: str, make: Callable[[Path], None]) -> str:
        """Made aside, in the same directory, so that a crash leaves nothing that looks like a layer."""
        aside = self.folder / f"{_ASIDE}{os.getpid()}-{layer}"
        try:
            make(aside)
            aside.chmod(0o600)
            sync_file(aside)
            aside.replace(self.path(layer))
            sync_directory(self.folder)
        finally:
            aside.unlink(missing_ok=True)
        return layer

    # -- looking ---------------------------------------------------------------------------------------------------

    def below(self, layer: str) -> str | None:
        """What a layer stands upon, as its header says (docs/interop/qcow2.txt of QEMU: bytes 8 to 20)."""
        if format_of(layer) != "qcow2":
            return None
        with self.path(layer).open("rb") as file:
            head = file.read(20)
            if head[:4] != _MAGIC:
                raise Refused(f"Layer {layer} is damaged.")
            offset, length = struct.unpack(">QI", head[8:20])
            if not offset:
                return None
            file.seek(offset)
            return Path(file.read(length).decode()).name

    def chain(self, layer: str) -> Iterator[str]:
        """A layer and all it stands upon."""
        current: str | None = layer
        while current is not None:
            yield current
            current = self.below(current)

    def all(self) -> list[str]:
        return [name for name in os.listdir(self.folder) if not name.startswith(".")]  # noqa: PTH208 - names only

    def sweep(self) -> None:
        """Remove what was being made by processes of this host that are gone."""
        for aside in self.folder.glob(f"{_ASIDE}*"):
            pid = aside.name.removeprefix(_ASIDE).partition("-")[0]
            if not Path("/proc", pid).exists():
                aside.unlink(missing_ok=True)

    def grow(self, layer: str, size_gb: int, key: str | None = None) -> None:
        _grow(self.path(layer), format_of(layer), size_gb, key)

    def is_open(self, layer: str) -> bool:
        """Whether a QEMU writes to it."""
        return qemu.is_locked(self.path(layer), format_of(layer))


def _grow(path: Path, format_: str, size_gb: int, key: str | None = None) -> None:
    """A file that is as large already stays so."""
    if qemu.info(path, format_)["virtual-size"] >= size_gb * GIB:
        return
    if key is None:
        qemu.img("resize", "-q", "-f", format_, path, str(size_gb * GIB))
    else:
        qemu.img(
            "resize", "-q", "--image-opts", _opened(path, format_, "key"), str(size_gb * GIB), secrets={"key": key}
        )


def _create(path: Path, format_: str, size_gb: int, key: str | None) -> None:
    """An empty file. On a busy machine QEMU finds now and then that it cannot tell how fast a passphrase is stretched:
    it is asked again."""
    size = str(size_gb * GIB)
    if key is None:
        qemu.img("create", "-q", "-f", format_, path, size)
        return
    options = f"encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time={_KEY_WORK_MS}"
    for tries_left in reversed(range(_KEY_TRIES)):
        try:
            qemu.img("create", "-q", "-f", format_, "-o", options, path, size, secrets={"key": key})
            return
        except qemu.ToolFailed as error:
            if not tries_left or _NO_MEASURE not in str(error):
                raise


def _opened(path: Path, format_: str, secret: str | None) -> str:
    if format_ == "raw":
        return f"driver=raw,file.filename={str(path).replace(',', ',,')}"
    options = f"driver={format_},file.filename={str(path).replace(',', ',,')}"
    return options + (f",encrypt.key-secret={secret}" if secret is not None else "")
