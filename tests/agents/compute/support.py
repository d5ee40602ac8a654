"""What tests of hypervisor drivers share: images in a directory, guests, and waiting for what a console says."""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cumulet.agents.compute import unix
from cumulet.agents.compute.image_service import ImageError
from cumulet.agents.compute.protocols import Guest


class StoredImages:
    """An image service made of files."""

    def __init__(self) -> None:
        self.images: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.reads: list[str] = []

    def add(self, data: bytes, *, disk_format: str = "qcow2", **properties: Any) -> str:
        image_id = str(uuid.uuid4())
        self.files[image_id] = data
        self.images[image_id] = {
            "id": image_id,
            "status": "active",
            "disk_format": disk_format,
            "container_format": "bare",
            "size": len(data),
            "os_hash_algo": "sha512",
            "os_hash_value": hashlib.sha512(data).hexdigest(),
            **properties,
        }
        return image_id

    def queue(self, disk_format: str = "qcow2") -> str:
        image_id = str(uuid.uuid4())
        self.images[image_id] = {"id": image_id, "status": "queued", "disk_format": disk_format}
        return image_id

    def show(self, image_id: str) -> dict[str, Any]:
        if image_id not in self.images:
            raise ImageError(f"Image {image_id} could not be found.")
        return self.images[image_id]

    def read(self, image_id: str) -> Iterator[bytes]:
        self.reads.append(image_id)
        data = self.files[image_id]
        for start in range(0, len(data), 1 << 16):
            yield data[start : start + (1 << 16)]

    def write(self, image_id: str, file: Path, *, disk_format: str) -> None:
        if self.images[image_id]["status"] == "active":
            return
        data = file.read_bytes()
        self.files[image_id] = data
        self.images[image_id] |= {
            "status": "active",
            "disk_format": disk_format,
            "container_format": "bare",
            "os_hash_algo": "sha512",
            "os_hash_value": hashlib.sha512(data).hexdigest(),
        }


def a_guest(image_id: str | None, image: dict[str, Any] | None = None, **values: Any) -> Guest:
    flavor = {"vcpus": 1, "ram": 128, "disk": 1, "ephemeral": 0, "swap": 0, "extra_specs": {}}
    return Guest(
        id=values.pop("id", str(uuid.uuid4())),
        name="a server",
        hostname="a-server",
        number=values.pop("number", 7),
        flavor=flavor | values.pop("flavor", {}),
        image_id=image_id,
        image=image or {},
        vifs=values.pop("vifs", []),
        **values,
    )


def until(condition: Callable[[], Any], within_s: float = 60.0, *, why: Callable[[], str] = lambda: "") -> Any:
    """The first true value of `condition`."""
    deadline = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {within_s} s: {why()}"
        time.sleep(0.05)


class SerialConsole:
    """A login on a guest's serial console: commands in, what they print out."""

    def __init__(self, path: Path) -> None:
        self._socket = unix.connect(path, 1.0)
        self._counter = 0

    def close(self) -> None:
        self._socket.close()

    def leave(self, within_s: float = 60.0) -> None:
        self._converse(b"exit\n", rb"login: $", within_s)

    def login(self, within_s: float = 60.0, *, password: str = "gocubsgo") -> None:
        self._converse(b"\n", rb"login: $", within_s)
        self._converse(b"cirros\n", rb"assword: $", within_s)
        self._converse(f"{password}\n".encode(), rb"[#$] (\x1b\[6n)?$", within_s)

    def run(self, command: str, within_s: float = 60.0) -> str:
        """What it printed. The prompt that comes after cannot be mistaken: it carries a number."""
        self._counter += 1
        mark = f"done-{self._counter}-"
        said = self._converse(f"{command}; echo {mark[:4]}''{mark[4:]}$?\n".encode(), mark.encode() + rb"\d+", within_s)
        return said.decode(errors="replace").partition("\n")[2].rpartition("done-")[0].replace("\r", "").strip()

    def _converse(self, line: bytes, wanted: bytes, within_s: float) -> bytes:
        """Send a line until the answer ends as wanted; the line again when nothing comes for a while."""
        said, deadline, sent = b"", time.monotonic() + within_s, 0.0
        while not re.search(wanted, said):
            assert time.monotonic() < deadline, f"the console says {said!r}"
            if time.monotonic() - sent > 15:
                self._socket.sendall(line)
                sent = time.monotonic()
            try:
                said += self._socket.recv(65536)
            except TimeoutError:
                continue
        return said
