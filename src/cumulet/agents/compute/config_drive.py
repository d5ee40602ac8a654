"""The config drive: a small ISO 9660 file system with Joliet names, written without any program.

Sources: ECMA-119 (ISO 9660) and the Joliet specification; Nova's config drive has the label `config-2`.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

LABEL: Final = "config-2"
_BLOCK: Final = 2048
_SYSTEM_BLOCKS: Final = 16
_LONGEST_NAME: Final = 64  # characters, Joliet


@dataclass
class _Node:
    """A file or directory and where its data goes: `at` and `size` for each of both trees."""

    name: str
    data: bytes | None = None  # None: a directory
    children: dict[str, _Node] = field(default_factory=dict)
    parent: _Node | None = None
    short: bytes = b""  # its name in the plain tree, unique there
    number: dict[bool, int] = field(default_factory=dict)  # in the path tables
    at: dict[bool, int] = field(default_factory=dict)
    size: dict[bool, int] = field(default_factory=dict)


def write(path: Path, files: Mapping[str, str], label: str = LABEL) -> None:
    """`files`: content as base64 by path (`openstack/latest/meta_data.json`).

    Raises ValueError for a path that cannot be a file's or content that is not base64.
    """
    path.write_bytes(image(decoded(files), label))


def decoded(files: Mapping[str, str]) -> dict[str, bytes]:
    """Content by path. Raises ValueError for what is not base64."""
    found = {}
    for name, content in files.items():
        try:
            found[name] = base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"the content of {name} on the config drive is not base64") from None
    return found


def image(files: Mapping[str, bytes], label: str = LABEL) -> bytes:
    """The bytes of the file system."""
    root = _tree(files)
    _shorten(root)
    directories = _directories(root)
    position = _SYSTEM_BLOCKS + 3  # two volume descriptors and their end
    tables: dict[tuple[bool, str], tuple[int, bytes]] = {}
    for joliet in (False, True):
        for number, node in enumerate(directories, 1):
            node.number[joliet] = number
    lengths = {joliet: len(_path_table(directories, joliet, "<")) for joliet in (False, True)}
    places: dict[tuple[bool, str], int] = {}
    for joliet in (False, True):
        for order in "<>":
            places[joliet, order] = position
            position += _blocks(lengths[joliet])
    for joliet in (False, True):
        for node in directories:
            node.at[joliet], node.size[joliet] = position, _blocks(_directory_size(node, joliet)) * _BLOCK
            position += node.size[joliet] // _BLOCK
    for node in _files(root):
        for joliet in (False, True):
            node.at[joliet], node.size[joliet] = position, len(node.data or b"")
        position += _blocks(len(node.data or b""))
    for joliet in (False, True):
        for order in "<>":
            tables[joliet, order] = places[joliet, order], _path_table(directories, joliet, order)
    out = bytearray(position * _BLOCK)
    for number, joliet in ((_SYSTEM_BLOCKS, False), (_SYSTEM_BLOCKS + 1, True)):
        at = (places[joliet, "<"], places[joliet, ">"])
        _put(out, number, _descriptor(root, joliet, label, position, lengths[joliet], at))
    _put(out, _SYSTEM_BLOCKS + 2, b"\xffCD001\x01")
    for place, table in tables.values():
        _put(out, place, table)
    for joliet in (False, True):
        for node in directories:
            _put(out, node.at[joliet], _directory(node, joliet))
    for node in _files(root):
        _put(out, node.at[False], node.data or b"")
    return bytes(out)


def _tree(files: Mapping[str, bytes]) -> _Node:
    root = _Node("")
    for path, data in sorted(files.items()):
        parts = path.strip("/").split("/")
        if not all(parts) or any(part in (".", "..") or len(part) > _LONGEST_NAME for part in parts):
            raise ValueError(f"{path!r} cannot be a file on a config drive")
        node = root
        for part in parts[:-1]:
            node = node.children.setdefault(part, _Node(part, parent=node))
            if node.data is not None:
                raise ValueError(f"{path!r} is below a file of the config drive")
        if parts[-1] in node.children:
            raise ValueError(f"{path!r} is on the config drive twice")
        node.children[parts[-1]] = _Node(parts[-1], data=data, parent=node)
    return root


def _shorten(node: _Node) -> None:
    """Names for the plain tree: capitals, digits and underscores, eight and three, different from each other."""
    used: set[bytes] = set()
    for child in node.children.values():
        stem, dot, end = child.name.upper().rpartition(".")
        stem, end = (stem, end) if dot and child.data is not None else (child.name.upper(), "")
        clean = "".join(c if c.isascii() and c.isalnum() else "_" for c in stem) or "_"
        tail = "".join(c for c in end if c.isascii() and c.isalnum())[:3]
        for count in range(10_000):
            mark = str(count) if count else ""
            short = clean[: 8 - len(mark)] + mark + (f".{tail};1" if child.data is not None else "")
            if short.encode() not in used:
                break
        child.short = short.encode()
        used.add(child.short)
        _shorten(child)


def _directories(root: _Node) -> list[_Node]:
    """Level by level, as path tables want them."""
    found, level = [], [root]
    while level:
        found += level
        level = [child for node in level for child in _sorted(node, joliet=False) if child.data is None]
    return found


def _files(node: _Node) -> list[_Node]:
    found = []
    for child in node.children.values():
        found += [child] if child.data is not None else _files(child)
    return found


def _sorted(node: _Node, *, joliet: bool) -> list[_Node]:
    return sorted(node.children.values(), key=lambda child: _name(child, joliet))


def _name(node: _Node, joliet: bool) -> bytes:
    if not joliet:
        return node.short
    return (node.name + (";1" if node.data is not None else "")).encode("utf-16-be")


def _blocks(size: int) -> int:
    return -(-size // _BLOCK)


def _put(out: bytearray, block: int, data: bytes) -> None:
    out[block * _BLOCK : block * _BLOCK + len(data)] = data


def _both(number: int) -> bytes:
    return struct.pack("<I", number) + struct.pack(">I", number)


def _both16(number: int) -> bytes:
    return struct.pack("<H", number) + struct.pack(">H", number)


def _entry(name: bytes, at: int, size: int, *, directory: bool) -> bytes:
    """A directory record (ECMA-119, 9.1); the date is 1 January 1970, so that the same files give the same bytes."""
    length = 33 + len(name) + (1 - len(name) % 2)
    body = struct.pack("<BB", length, 0) + _both(at) + _both(size) + bytes((70, 1, 1, 0, 0, 0, 0))
    body += struct.pack("<BBB", 2 if directory else 0, 0, 0) + _both16(1) + bytes((len(name),)) + name
    return body.ljust(length, b"\0")


def _entries(node: _Node, joliet: bool) -> list[bytes]:
    above = node.parent or node
    found = [_entry(b"\0", node.at.get(joliet, 0), node.size.get(joliet, 0), directory=True)]
    found.append(_entry(b"\1", above.at.get(joliet, 0), above.size.get(joliet, 0), directory=True))
    for child in _sorted(node, joliet=joliet):
        at, size = child.at.get(joliet, 0), child.size.get(joliet, 0)
        found.append(_entry(_name(child, joliet), at, size, directory=child.data is None))
    return found


def _packed(entries: list[bytes]) -> bytes:
    """A record never lies on both sides of a block's end."""
    out = b""
    for entry in entries:
        if len(out) % _BLOCK + len(entry) > _BLOCK:
            out = out.ljust(_blocks(len(out)) * _BLOCK, b"\0")
        out += entry
    return out


def _directory_size(node: _Node, joliet: bool) -> int:
    return len(_packed(_entries(node, joliet)))


def _directory(node: _Node, joliet: bool) -> bytes:
    return _packed(_entries(node, joliet))


def _path_table(directories: list[_Node], joliet: bool, order: str) -> bytes:
    out = b""
    for node in directories:
        name = _name(node, joliet) if node.parent else b"\0"
        above = node.parent.number[joliet] if node.parent else 1
        out += struct.pack(f"{order}BBIH", len(name), 0, node.at.get(joliet, 0), above) + name
        out += b"\0" * (len(name) % 2)
    return out


def _descriptor(root: _Node, joliet: bool, label: str, blocks: int, table_size: int, tables: tuple[int, int]) -> bytes:
    """A primary or supplementary volume descriptor (ECMA-119, 8.4 and 8.5)."""
    encoding = "utf-16-be" if joliet else "ascii"
    blank = " ".encode(encoding)

    def text(value: str, size: int) -> bytes:
        return (value.encode(encoding) + blank * size)[:size]

    out = bytes((2 if joliet else 1,)) + b"CD001\x01\0"
    out += text("", 32) + text(label, 32) + bytes(8) + _both(blocks)
    out += b"%/E".ljust(32, b"\0") if joliet else bytes(32)
    out += _both16(1) + _both16(1) + _both16(_BLOCK) + _both(table_size)
    out += struct.pack("<II", tables[0], 0) + struct.pack(">II", tables[1], 0)
    out += _entry(b"\0", root.at[joliet], root.size[joliet], directory=True)
    out += text("", 128) * 4 + text("", 37) * 3
    out += (b"0" * 16 + b"\0") * 4 + b"\x01\0"
    return out.ljust(_BLOCK, b"\0")
