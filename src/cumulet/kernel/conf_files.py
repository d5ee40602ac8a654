"""Configuration files as people really write them, made readable for oslo.config.

The install guides annotate sections and values on the same line (`[token]  #provider`, `provider = fernet  # ours`),
in their own language. oslo.config refuses the first and takes the second for a part of the value. Here a `#` after a
blank begins a comment wherever it stands; nothing else is changed.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

_SECTION = re.compile(r"^\s*(\[[^\]]+\])\s*(?:[#;].*)?$")
_COMMENTED = re.compile(r"\s+#.*$")


def normalised(text: str) -> str:
    """The same options line by line (so that errors name the right line), without comments."""
    lines = []
    for line in text.splitlines():
        section = _SECTION.match(line)
        if section is not None:
            lines.append(section[1])
        elif line.lstrip().startswith(("#", ";")):
            lines.append("#")  # not an empty line, which would end a value of several lines
        else:
            lines.append(_COMMENTED.sub("", line))
    return "\n".join(lines) + "\n"


def decode(data: bytes) -> str:
    """UTF-8, or the encoding of older Chinese editors."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030", errors="replace")


class Opened:
    """Files as oslo.config can read them, while the block lasts."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names  # path given to oslo.config -> the operator's
        self.paths = list(names)

    def explain(self, message: str) -> str:
        """A parser's message with the operator's path in it."""
        for path, name in self._names.items():
            message = message.replace(path, name)
        return message


@contextlib.contextmanager
def opened(files: Sequence[Path | str]) -> Iterator[Opened]:
    """Each file as it is, or its normalised text in memory (never on a disk: it holds passwords)."""
    names: dict[str, str] = {}
    descriptors: list[int] = []
    try:
        for file in files:
            data = Path(file).read_bytes()
            text = normalised(decode(data))
            if text.encode() == data:
                names[str(file)] = str(file)
                continue
            descriptor = os.memfd_create("conf", os.MFD_CLOEXEC)
            descriptors.append(descriptor)
            os.write(descriptor, text.encode())
            names[f"/proc/self/fd/{descriptor}"] = str(file)
        yield Opened(names)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
