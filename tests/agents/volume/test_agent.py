"""The agent on its bus: images in and out, volumes that move between hosts, reports."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cumulet.agents.volume.agent import Agent
from cumulet.agents.volume.devices.files import FileDevice
from cumulet.agents.volume.file.driver import FileDriver
from cumulet.agents.volume.images import Images
from cumulet.agents.volume.protocols import Upload, VolumeDriver
from cumulet.kernel.bus import MemoryBus, RemoteError
from cumulet.simulator.volume import SimulatedVolumes
from tests.agents.volume.backends import GIB, digest, file_options, pattern, read, serving_folder, write

A, B = "aaaaaaaa-0000", "bbbbbbbb-0000"


class ImageService:
    """Image's data, over a real socket."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}
        self.away = 0
        """How many downloads more are answered with 503."""
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                data = service.data.get(self.path.split("/")[3], b"")
                is_away, service.away = service.away > 0, service.away - 1
                self.send_response(503 if is_away else 200 if self.headers["X-Auth-Token"] == "token" else 401)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_PUT(self) -> None:
                service.data[self.path.split("/")[3]] = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Not into the tests' output."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def image(self, data: bytes, disk_format: str, **rest: Any) -> dict[str, Any]:
        self.data["i"] = data
        checksum = hashlib.sha512(data).hexdigest()
        known = {"size": len(data), "os_hash_algo": "sha512", "os_hash_value": checksum}
        return {"id": "i", "url": self.url, "token": "token", "disk_format": disk_format, **known, **rest}


class Hosts:
    """Two hosts with a back end of each kind, and somebody who hears their reports."""

    def __init__(self, folder: Path) -> None:
        self.bus, self.stop = MemoryBus(), threading.Event()
        self.reports: dict[str, Any] = {}
        self.drivers: dict[tuple[str, str], VolumeDriver] = {}
        self._serve("engine", {"volume.report": self._heard})
        for host in ("node1", "node2"):
            here = folder / host
            own: dict[str, VolumeDriver] = {
                "file": FileDriver(file_options(here, host=host)),
                "raw": FileDriver(file_options(here / "r", host=host, format="raw", name="raw")),
                "sim": SimulatedVolumes(here / "sim", name="sim"),
            }
            self.drivers |= {(host, name): driver for name, driver in own.items()}
            agent = Agent(self.bus, host, own, images=Images(here / "images"), report_s=1.0)
            self._serve(host, agent.methods())
            threading.Thread(target=agent.run, args=(self.stop,), daemon=True).start()

    def _heard(self, call: Any, report: dict[str, Any]) -> None:
        self.reports[report["host"]] = report

    def _serve(self, host: str, methods: Any) -> None:
        ready = threading.Event()
        rest = {"ready": ready}
        threading.Thread(target=self.bus.serve, args=(host, methods, self.stop), kwargs=rest, daemon=True).start()
        assert ready.wait(30)

    def ask(self, place: tuple[str, str], method: str, **args: Any) -> Any:
        return self.bus.call(place[0], f"volume.{method}", {"backend": place[1], **args}, timeout_s=120)


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    with serving_folder() as folder:
        made = Hosts(folder)
        yield made
        made.stop.set()


@pytest.fixture
def images() -> Iterator[ImageService]:
    made = ImageService()
    yield made
    made.close()


def converted(tmp_path: Path, data: bytes, format_: str) -> bytes:
    source, target = tmp_path / "raw", tmp_path / format_
    source.write_bytes(data)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", format_, source, target], check=True)
    return target.read_bytes()


@pytest.mark.parametrize("backend", ["file", "raw"])
@pytest.mark.parametrize("format_", ["raw", "qcow2", "vmdk", "vdi"])
def test_a_volume_of_an_image(hosts: Hosts, images: ImageService, tmp_path: Path, backend: str, format_: str) -> None:
    data = pattern("image", 1 << 20)
    image = images.image(data if format_ == "raw" else converted(tmp_path, data, format_), format_)
    place = ("node1", backend)
    made = hosts.ask(place, "from_image", volume={"id": A, "size_gb": 1}, image=image)
    assert made["image_virtual_size"] == 1 << 20
    assert read(hosts.drivers[place], A, 0, 1 << 20) == data


Change = Callable[[bytes, Path], tuple[bytes, str, dict[str, Any]]]


def _altered(data: bytes, tmp_path: Path) -> tuple[bytes, str, dict[str, Any]]:
    return data, "raw", {"os_hash_value": "0" * 128}


def _another_format(data: bytes, tmp_path: Path) -> tuple[bytes, str, dict[str, Any]]:
    return converted(tmp_path, data, "qcow2"), "raw", {}


def _backing_file(data: bytes, tmp_path: Path) -> tuple[bytes, str, dict[str, Any]]:
    evil = tmp_path / "evil"
    names = ["-f", "qcow2", "-F", "raw", "-b", "/etc/passwd"]
    command: list[str | Path] = ["qemu-img", "create", "-q", "-u", *names, evil, "1M"]
    subprocess.run(command, check=True)
    return evil.read_bytes(), "qcow2", {}


def _too_large(data: bytes, tmp_path: Path) -> tuple[bytes, str, dict[str, Any]]:
    large = tmp_path / "large"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", large, "2G"], check=True)
    return large.read_bytes(), "qcow2", {}


def test_an_image_service_that_is_started_again_is_waited_for(
    hosts: Hosts, images: ImageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cumulet.agents.volume.images._PAUSE_S", 0.0)
    images.away = 3
    image = images.image(pattern("image", 1 << 20), "raw")
    made = hosts.ask(("node1", "file"), "from_image", volume={"id": A, "size_gb": 1}, image=image)
    assert made["image_virtual_size"] == 1 << 20
    images.away = 1000
    with pytest.raises(RemoteError, match="503"):
        hosts.ask(("node1", "file"), "from_image", volume={"id": B, "size_gb": 1}, image=image)


@pytest.mark.parametrize("change", [_altered, _another_format, _backing_file, _too_large])
def test_images_that_are_refused(hosts: Hosts, images: ImageService, tmp_path: Path, change: Change) -> None:
    data, format_, rest = change(pattern("x", 1 << 20), tmp_path)
    image = images.image(data, format_) | rest
    with pytest.raises(RemoteError) as refusal:
        hosts.ask(("node1", "file"), "from_image", volume={"id": A, "size_gb": 1}, image=image)
    assert refusal.value.type == "BadImage"
    assert hosts.drivers["node1", "file"].report().pools[0].volumes == 0


def test_a_volume_becomes_an_image(hosts: Hosts, images: ImageService) -> None:
    place = ("node1", "file")
    hosts.ask(place, "create", volume={"id": A, "size_gb": 1})
    write(hosts.drivers[place], A, 5 << 20, pattern("volume"))
    upload = {"id": "up", "url": images.url, "token": "token", "disk_format": "qcow2"}
    size = hosts.ask(place, "upload_image", volume_id=A, image=upload)["size"]
    assert size == len(images.data["up"])
    image = images.image(images.data["up"], "qcow2")
    hosts.ask(place, "from_image", volume={"id": B, "size_gb": 1}, image=image)
    assert digest(hosts.drivers[place], B) == digest(hosts.drivers[place], A)


def test_raw_images_are_sent_as_they_are(images: ImageService, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    data = bytes(3 << 20) + pattern("x", 1 << 16) + bytes((4 << 20) + 512)
    disk.write_bytes(data)
    with FileDevice(disk, len(data)) as device:
        sender = Images(tmp_path / "images")
        assert sender.upload(Upload("up", images.url, "token"), device) == len(data)
    assert images.data["up"] == data


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (("node1", "file"), ("node2", "file")),
        (("node1", "raw"), ("node1", "file")),
        (("node1", "file"), ("node2", "raw")),
        (("node1", "sim"), ("node2", "sim")),
    ],
)
def test_a_volume_moves_with_every_byte(hosts: Hosts, source: tuple[str, str], target: tuple[str, str]) -> None:
    hosts.ask(source, "create", volume={"id": A, "size_gb": 1})
    for place in (0, 77 << 20, GIB - (1 << 16)):
        write(hosts.drivers[source], A, place, pattern(str(place)))
    expected = digest(hosts.drivers[source], A)
    connector = {"host": target[0], "ip": "127.0.0.1", "initiator": "iqn.of.a.client", "anything": 1}
    for _ in range(2):  # the second time as after a crash
        info = hosts.ask(source, "migrate_out", volume_id=A, migration_id="m", connector=connector)
        hosts.ask(target, "migrate_in", volume={"id": A, "size_gb": 1}, source=info)
    hosts.ask(source, "migrate_end", volume_id=A, migration_id="m")
    hosts.ask(source, "delete", volume_id=A)
    assert digest(hosts.drivers[target], A) == expected


def test_reports(hosts: Hosts) -> None:
    limit = threading.Event()
    for _ in range(600):
        if len(hosts.reports) == 2:
            break
        limit.wait(0.1)
    report = hosts.reports["node1"]
    assert [one["name"] for one in report["backends"]] == ["file", "raw", "sim"]
    pool = report["backends"][0]["pools"][0]
    assert 0 < pool["free_gb"] <= pool["total_gb"]
    assert json.dumps(report)
    with pytest.raises(RemoteError, match="no back end called nowhere"):
        hosts.ask(("node1", "nowhere"), "create", volume={"id": A, "size_gb": 1})
