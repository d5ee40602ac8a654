"""Keeping tables in one namespace's kernel as they are wanted.

The kernel counts commits to its ruleset. As long as that count is the one after our own last commit, nobody else has
touched anything and a check costs 20 µs; otherwise our tables are listed and compared with how they were listed then.
"""

from __future__ import annotations

import hashlib
import socket
import struct
from collections.abc import Mapping
from typing import Any

import msgspec

from cumulet.agents.network import netns
from cumulet.agents.network.nft.library import Context, NftError
from cumulet.agents.network.nft.model import Table, creation, difference

_NETLINK_NETFILTER = 12
_GET_GENERATION = (10 << 8) | 16  # NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN
_VOLATILE = frozenset({"handle", "packets", "bytes", "index", "expires"})


class Kernel:
    """The nftables of one namespace. Calls come from one thread at a time, whatever namespace that thread is in.

    `epoch` grows whenever somebody else has committed to the ruleset since this object last looked.
    """

    def __init__(self, namespace: str | None) -> None:
        with netns.inside(namespace):
            self._context = Context()
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
        self._socket.settimeout(5)
        self._socket.bind((0, 0))
        self.epoch = 0
        self._expected = self._generation()

    def commit(self, commands: list[dict[str, Any]]) -> None:
        """One transaction of ours. NftError if it is refused."""
        self.look()
        self._context.run(commands)
        after = self._generation()
        if after != (self._expected + 1) & 0xFFFFFFFF:
            self.epoch += 1
        self._expected = after

    def look(self) -> int:
        """The epoch, after a look whether somebody else was here."""
        generation = self._generation()
        if generation != self._expected:
            self._expected = generation
            self.epoch += 1
        return self.epoch

    def _generation(self) -> int:
        """How many transactions the namespace's ruleset has seen (32 bits, wraps around)."""
        self._socket.send(struct.pack("=IHHII4x", 20, _GET_GENERATION, 1, 0, 0))
        answer = self._socket.recv(4096)
        kind, offset = struct.unpack_from("=H", answer, 4)[0], 20
        if kind == 2:
            raise OSError(-struct.unpack_from("=i", answer, 16)[0], "nftables has no generation to tell")
        while offset + 8 <= len(answer):
            length, attribute = struct.unpack_from("=HH", answer, offset)
            if attribute == 1:
                return int(struct.unpack_from(">I", answer, offset + 4)[0])
            offset += max(4, (length + 3) & ~3)
        raise NftError("the kernel's answer has no generation")

    def tables(self) -> set[tuple[str, str]]:
        """(family, name) of every table in the namespace, whoever made it."""
        listed = self._context.run([{"list": {"tables": None}}])
        return {(t["table"]["family"], t["table"]["name"]) for t in listed if "table" in t}

    def list_table(self, family: str, name: str) -> list[dict[str, Any]]:
        """The table's objects, or nothing if it does not exist."""
        if (family, name) not in self.tables():
            return []
        return self._context.run([{"list": {"table": {"family": family, "name": name}}}])

    def delete_table(self, family: str, name: str) -> None:
        identity = {"family": family, "name": name}
        self.commit([{"add": {"table": identity}}, {"delete": {"table": identity}}])

    def close(self) -> None:
        self._context.close()
        self._socket.close()


class KernelTable:
    """One table of ours in a kernel: applied by differences, checked by generation, repaired by replacement."""

    def __init__(self, kernel: Kernel, family: str, name: str) -> None:
        self._kernel = kernel
        self.family = family
        self.name = name
        self._applied: Table | None = None
        self._epoch = 0  # the kernel's, when the table was last known to be as applied
        self._fingerprint: bytes | None = None  # of the listing that belongs to `_applied`; None: not taken yet

    def apply(self, wanted: Table) -> bool:
        """Make the kernel's table `wanted`; True if anything had to change. NftError leaves it as it was."""
        if self._applied is None or not self._untouched():
            self._replace(wanted)
            return True
        try:
            commands = difference(self._applied, wanted)
        except ValueError:
            self._replace(wanted)
            return True
        if not commands:
            self._applied = wanted
            return False
        try:
            self._kernel.commit(commands)
        except NftError:
            # What we believe to be there is not. If the wanted table itself is the reason, this fails as well.
            self._replace(wanted)
            return True
        self._applied = wanted
        self._fingerprint = None
        return True

    def verify(self) -> bool:
        """True if the table is as applied; otherwise it has been put in place again."""
        if self._applied is None:
            return True
        if self._untouched():
            if self._fingerprint is None:
                self._take_fingerprint()
            return True
        self._replace(self._applied)
        # At once: two agents that each take the other's repair for a disturbance would repair for ever.
        self._take_fingerprint()
        return False

    def disturbed(self) -> bool:
        """Whether anybody else has committed anything to the ruleset since the table was last known to be right."""
        return self._applied is not None and self._kernel.look() != self._epoch

    def _untouched(self) -> bool:
        epoch = self._kernel.look()
        if epoch == self._epoch:
            return True
        if self._fingerprint is None or self._listing_fingerprint() != self._fingerprint:
            return False
        self._epoch = epoch
        return True

    def listing(self) -> list[dict[str, Any]]:
        """What the kernel has of the table now."""
        return self._kernel.list_table(self.family, self.name)

    def counters(self) -> dict[str, tuple[int, int]]:
        """Packets and bytes of every named counter."""
        return {
            c["counter"]["name"]: (c["counter"]["packets"], c["counter"]["bytes"])
            for c in self._kernel.list_table(self.family, self.name)
            if "counter" in c
        }

    def delete(self) -> None:
        self._kernel.delete_table(self.family, self.name)
        self._applied = self._fingerprint = None

    def _replace(self, wanted: Table) -> None:
        """In one transaction, so no packet meets a half-made table. Counters and timed elements are carried over."""
        old = self._kernel.list_table(self.family, self.name)
        epoch = self._kernel.look()
        self._kernel.commit(creation(_with_counters(wanted, old)) + _timed_elements(wanted, old))
        self._applied = wanted
        self._fingerprint = None
        self._epoch = epoch

    def _take_fingerprint(self) -> None:
        """Unless somebody has committed while the table was listed: it may be his already."""
        found = self._listing_fingerprint()
        if self._kernel.look() == self._epoch:
            self._fingerprint = found

    def _listing_fingerprint(self) -> bytes:
        dynamic = {name for name, s in self._applied.sets.items() if s.spec.dynamic} if self._applied else set()
        return _fingerprint(self._kernel.list_table(self.family, self.name), dynamic)


def _fingerprint(listing: list[dict[str, Any]], dynamic: set[str]) -> bytes:
    digest = hashlib.sha256()
    for entry in listing:
        ((kind, body),) = entry.items()
        if kind == "metainfo":
            continue
        body = {key: value for key, value in body.items() if key not in _VOLATILE}
        elements = body.pop("elem", [])
        digest.update(msgspec.json.encode([kind, body if kind != "rule" else _steady(body)], order="sorted"))
        if body.get("name") not in dynamic:
            # A hash table lists its elements in any order.
            for element in sorted(msgspec.json.encode(_steady(e), order="sorted") for e in elements):
                digest.update(element)
    return digest.digest()


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _steady(v) for k, v in value.items() if k not in _VOLATILE}
    return [_steady(v) for v in value] if isinstance(value, list) else value


def _with_counters(wanted: Table, old: list[dict[str, Any]]) -> Table:
    counts = {c["counter"]["name"]: c["counter"] for c in old if "counter" in c}
    objects: dict[tuple[str, str], Mapping[str, Any]] = dict(wanted.objects)
    for kind, name in wanted.objects:
        if kind == "counter" and name in counts:
            objects[kind, name] = {"packets": counts[name]["packets"], "bytes": counts[name]["bytes"]}
    return Table(wanted.family, wanted.name, wanted.sets, wanted.chains, objects)


def _timed_elements(wanted: Table, old: list[dict[str, Any]]) -> list[dict[str, Any]]:
    commands = []
    for entry in old:
        body = entry.get("set", {})
        spec = wanted.sets.get(body.get("name", ""))
        if spec is None or not spec.spec.dynamic or "elem" not in body:
            continue
        elements = [
            {"elem": {"val": e["elem"]["val"], "timeout": e["elem"]["expires"]}}
            for e in body["elem"]
            if "elem" in e and e["elem"].get("expires", 0) > 0
        ]
        if elements:
            where = {"family": wanted.family, "table": wanted.name, "name": body["name"]}
            commands.append({"add": {"element": {**where, "elem": elements}}})
    return commands
