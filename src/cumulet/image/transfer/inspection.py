"""What data really is, found out while it streams by (oslo.utils' format inspectors), and whether it is safe to keep.

Nothing else ever looks at an image before this has: a qcow2 may name a file of the host as its backing file, a VMDK one
as an extent, and a "raw" image may be either.
"""

from __future__ import annotations

from typing import Any, Protocol

from oslo_config import cfg
from oslo_utils.imageutils import format_inspector

_KNOWN = frozenset(format_inspector.ALL_FORMATS)
_WRAPPING = frozenset({"qcow2", "qed", "vhd", "vhdx", "vmdk", "vdi"})
"""Formats in which a disk is wrapped. Raw data may be partitioned, an ISO image or encrypted, but none of these."""
_HEADERLESS = ("aki", "ari")


class Unacceptable(Exception):
    """The data is refused; the message is the reason that the user reads."""


class Source(Protocol):
    def read(self, size: int) -> bytes:
        """Up to `size` bytes, none at the end."""


class Inspection:
    """Watches a source of data that claims to be of a disk format.

    Only data in a `bare` container is looked into, as in the original: others begin with a format of their own.
    """

    def __init__(self, source: Source, conf: cfg.ConfigOpts, *, disk_format: str, container_format: str) -> None:
        self._options = conf.image_format
        self._disk_format = disk_format
        self._wrapper: Any = None
        self._source = source
        if container_format == "bare":
            self._wrapper = format_inspector.InspectWrapper(source)  # type: ignore[arg-type]
        self._decided = False
        self._length = 0

    def read(self, size: int) -> bytes:
        """The source's data. Raises Unacceptable as soon as it is clear that it cannot be accepted."""
        data: bytes = (self._source if self._wrapper is None else self._wrapper).read(size)
        self._length += len(data)
        if self._wrapper is not None and not self._decided and self._wrapper.formats is not None:
            self._decided = True
            self._judge()
        return data

    def finish(self) -> int | None:
        """At the end: the virtual size in bytes, None where there is none. Raises Unacceptable."""
        if self._wrapper is None:
            return None
        self._wrapper.close()
        return self._judge()

    def _judge(self) -> int | None:
        try:
            inspector = self._matching()
        except format_inspector.ImageFormatError as error:
            self._mismatch(str(error))
            return None
        found = str(inspector)
        virtual_size: int | None = None
        if found == self._disk_format:
            virtual_size = self._virtual_size(inspector)
        elif found == "raw" and self._disk_format not in _KNOWN:
            virtual_size = None  # kernels and the like, which nobody can tell from anything else
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

    def _matching(self) -> Any:
        matches = {str(one): one for one in self._wrapper.formats}
        if matches.keys() == {"iso", "gpt"}:
            return matches["iso"]  # an ISO image that also boots from a disk begins with a partition table
        return self._wrapper.format

    def _virtual_size(self, inspector: Any) -> int | None:
        if type(inspector).virtual_size is format_inspector.FileInspector.virtual_size:
            return self._length
        return int(inspector.virtual_size)

    def _mismatch(self, reason: str) -> None:
        if self._options.require_image_format_match:
            raise Unacceptable(reason)

    def _check_safety(self, inspector: Any) -> None:
        try:
            inspector.safety_check()
        except format_inspector.SafetyCheckFailed as error:
            tolerated = set(self._options.gpt_safety_checks_nonfatal)
            if self._disk_format in _HEADERLESS:
                tolerated.add("mbr")  # kernels may begin with what looks like a broken partition table
            fatal = error.failures.keys() - tolerated if inspector.NAME == "gpt" else error.failures.keys()
            if fatal:
                reasons = "; ".join(f"{name}: {error.failures[name]}" for name in sorted(fatal))
                raise Unacceptable(f"Image failed safety checks: {reasons}") from None
