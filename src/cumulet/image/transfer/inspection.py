"""What data really is, found out while it streams by (oslo.utils' format inspectors), and whether it is safe to keep.

Nothing else ever looks at an image before this has: a qcow2 may name a file of the host as its backing file, a VMDK one
as an extent, and a "raw" image may be either.
"""

from __future__ import annotations

import logging
import struct
from typing import Any, Protocol

from oslo_config import cfg
from oslo_utils.imageutils import format_inspector

LOG = logging.getLogger(__name__)
_FIRST = 1 << 20  # bytes: what formats are told by lies before this
_KNOWN = frozenset(format_inspector.ALL_FORMATS)
_WRAPPING = frozenset({"qcow2", "qed", "vhd", "vhdx", "vmdk", "vdi"})
"""Formats in which a disk is wrapped. Raw data may be partitioned, an ISO image or encrypted, but none of these."""
_STUMBLES = (
    format_inspector.ImageFormatError,
    struct.error,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    RuntimeError,
    ValueError,
)
"""What inspectors raise over data that is not of their format, on purpose or not."""
_KERNELS = ("aki", "ari")
"""Kernels for x86 begin with what looks like a broken partition table."""


class Unacceptable(Exception):
    """The data is refused; the message is the reason that the user reads."""


class Source(Protocol):
    def read(self, size: int) -> bytes:
        """Up to `size` bytes, none at the end."""


class _Formats:
    """The inspectors of all formats, fed together.

    Not oslo's InspectWrapper: some inspectors decide by the first piece of data alone, and that a client may cut as it
    likes. So the first piece is always `_FIRST` bytes, which hold all that they decide by.
    """

    def __init__(self) -> None:
        self._inspectors = {name: make() for name, make in format_inspector.ALL_FORMATS.items() if name != "raw"}
        self._raw = format_inspector.ALL_FORMATS["raw"]()
        self._broken: set[str] = set()
        self._first: list[bytes] = []
        self._waiting = 0
        self._head = b""
        self._finished = False

    def eat(self, data: bytes) -> None:
        if not self._head:
            self._first.append(data)
            self._waiting += len(data)
            if self._waiting < _FIRST:
                return
            self._begin()
        else:
            self._feed(data)

    def _begin(self) -> None:
        self._head = b"".join(self._first)
        self._first.clear()
        if self._head:
            self._feed(self._head)
        self._head = self._head[:_FIRST].lower()

    def _feed(self, data: bytes) -> None:
        for name, inspector in self._inspectors.items():
            if name not in self._broken:
                try:
                    inspector.eat_chunk(data)
                except _STUMBLES as error:
                    LOG.debug("the data is not %s: %s", name, error)
                    self._broken.add(name)

    def finish(self) -> None:
        if not self._head:
            self._begin()
        for inspector in self._inspectors.values():
            inspector.finish()
        self._finished = True

    def matches(self) -> dict[str, Any] | None:
        """The inspectors that know the data, `raw` when none does; None while that is open."""
        if not self._head and not self._finished:
            return None
        if not self._finished and not all(inspector.complete for inspector in self._inspectors.values()):
            return None
        found = {name: inspector for name, inspector in self._inspectors.items() if self._is(name, inspector)}
        return found or {"raw": self._raw}

    def _is(self, name: str, inspector: Any) -> bool:
        try:
            return bool(inspector.format_match)
        except AttributeError:
            # Oslo's inspector of VMDK descriptions, on text that is followed by something else within its first MiB.
            return name == "vmdk" and b"createtype=" in self._head


class Inspection:
    """Watches a source of data that claims to be of a disk format.

    Only data in a `bare` container is looked into, as in the original: others begin with a format of their own.
    """

    def __init__(self, source: Source, conf: cfg.ConfigOpts, *, disk_format: str, container_format: str) -> None:
        self._options = conf.image_format
        self._disk_format = disk_format
        self._source = source
        self._formats = _Formats() if container_format == "bare" else None
        self._decided = False
        self._length = 0

    def read(self, size: int) -> bytes:
        """The source's data. Raises Unacceptable as soon as it is clear that it cannot be accepted."""
        data = self._source.read(size)
        self._length += len(data)
        if self._formats is not None:
            self._formats.eat(data)
            if not self._decided and self._formats.matches() is not None:
                self._decided = True
                self._judge(self._formats)
        return data

    def finish(self) -> int | None:
        """At the end: the virtual size in bytes, None where there is none. Raises Unacceptable."""
        if self._formats is None:
            return None
        self._formats.finish()
        return self._judge(self._formats)

    def _judge(self, formats: _Formats) -> int | None:
        matches = formats.matches() or {}
        if matches.keys() == {"iso", "gpt"}:
            del matches["gpt"]  # an ISO image that also boots from a disk begins with a partition table
        if len(matches) > 1:
            # One header hidden in another: whoever reads the image later may see either.
            raise Unacceptable(f"Multiple formats detected: {', '.join(sorted(matches))}")
        [(found, inspector)] = matches.items()
        virtual_size: int | None = None
        if found == self._disk_format:
            virtual_size = self._virtual_size(inspector)
        elif (found == "raw" and self._disk_format not in _KNOWN) or (found == "gpt" and self._disk_format in _KERNELS):
            virtual_size = None  # nobody can tell these from anything else
        elif self._disk_format == "raw" and found not in _WRAPPING:
            virtual_size = self._length
        else:
            self._mismatch(f"Image disk_format {self._disk_format} does not match stream data {found}")
        self._check_safety(inspector)
        if virtual_size is not None and virtual_size > self._options.virtual_size_cap:
            raise Unacceptable(
                f"Image claims a virtual size of {virtual_size} bytes, more than the {self._options.virtual_size_cap} "
                "that are allowed"
            )
        return virtual_size or None

    def _virtual_size(self, inspector: Any) -> int | None:
        if type(inspector).virtual_size is format_inspector.FileInspector.virtual_size:
            return self._length
        return int(inspector.virtual_size)

    def _mismatch(self, reason: str) -> None:
        if self._options.require_image_format_match:
            raise Unacceptable(reason)

    def _check_safety(self, inspector: Any) -> None:
        if inspector.NAME == "raw":
            return
        try:
            inspector.safety_check()
        except format_inspector.SafetyCheckFailed as error:
            tolerated = set(self._options.gpt_safety_checks_nonfatal)
            if self._disk_format in _KERNELS:
                tolerated.add("mbr")
            fatal = error.failures.keys() - tolerated if inspector.NAME == "gpt" else error.failures.keys()
            if fatal:
                reasons = "; ".join(f"{name}: {error.failures[name]}" for name in sorted(fatal))
                raise Unacceptable(f"Image failed safety checks: {reasons}") from None
        except (format_inspector.ImageFormatError, AttributeError) as error:
            raise Unacceptable(f"Image failed safety checks: {error}") from None
