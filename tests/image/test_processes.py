"""Transfers through the real server: clients and servers that die in the middle, and memory that stays flat."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.image.process import HOST, end, serving

MIB = 1 << 20
CHUNKED = "Transfer-Encoding: chunked"


def request(port: int, method: str, path: str, body: Any = None, token: str = "member") -> tuple[int, Any]:
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    headers = {"X-Auth-Token": token, "Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, json.loads(data) if data and "json" in answer.headers["Content-Type"] else data


def create(port: int, **more: Any) -> str:
    status, image = request(port, "POST", "/v2/images", {"disk_format": "raw", "container_format": "bare", **more})
    assert status == 201
    return str(image["id"])


def sending(port: int, path: str, framing: str, pieces: Iterable[bytes]) -> socket.socket:
    """A connection on which a body has begun."""
    connection = socket.create_connection((HOST, port), timeout=60)
    head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: member\r\nContent-Type: application/octet-stream\r\n"
    connection.sendall(f"{head}{framing}\r\n\r\n".encode())
    for piece in pieces:
        connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" if framing == CHUNKED else piece)
    return connection


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def status_of(port: int, image_id: str) -> str:
    return str(request(port, "GET", f"/v2/images/{image_id}")[1]["status"])


def left(state: Path) -> list[str]:
    found = [path for name in ("images", "staging") for path in (state / name).rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(state)) for path in found)


@pytest.mark.parametrize("framing", [CHUNKED, f"Content-Length: {20 * MIB}"], ids=["chunked", "with a length"])
@pytest.mark.parametrize("purpose", ["file", "stage"])
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_client_that_dies_leaves_nothing(tmp_path: Path, framing: str, purpose: str, reset: bool) -> None:
    with serving(tmp_path) as (port, _):
        image = create(port)
        connection = sending(port, f"/v2/images/{image}/{purpose}", framing, [os.urandom(MIB)] * 5)
        until(lambda: len(left(tmp_path)) == 1)
        assert status_of(port, image) == {"file": "saving", "stage": "uploading"}[purpose]
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        until(lambda: status_of(port, image) == "queued")
        assert left(tmp_path) == []
        data = os.urandom(MIB)
        connection = sending(port, f"/v2/images/{image}/file", f"Content-Length: {MIB}", [data])
        assert b" 204 " in connection.recv(1000)
        shown = request(port, "GET", f"/v2/images/{image}")[1]
        assert (shown["status"], shown["checksum"]) == ("active", hashlib.md5(data).hexdigest())


@pytest.mark.parametrize("purpose", ["file", "stage"])
def test_a_server_that_is_killed_leaves_an_image_to_begin_again_with(tmp_path: Path, purpose: str) -> None:
    with serving(tmp_path) as (port, pid):
        image = create(port)
        connection = sending(port, f"/v2/images/{image}/{purpose}", CHUNKED, [os.urandom(MIB)] * 5)
        until(lambda: len(left(tmp_path)) == 1)
        end(pid, signal.SIGKILL)
        connection.close()
    [name] = left(tmp_path)
    assert "/.incoming/" in name
    os.utime(tmp_path / name, (time.time() - 3600,) * 2)  # what is a minute old is swept
    with serving(tmp_path) as (port, _):
        assert status_of(port, image) == "queued"
        assert left(tmp_path) == []
        connection = sending(port, f"/v2/images/{image}/file", "Content-Length: 4", [b"data"])
        assert b" 204 " in connection.recv(1000)
        assert status_of(port, image) == "active"


def test_a_delete_during_an_upload_leaves_nothing_and_uses_no_quota(tmp_path: Path) -> None:
    data = os.urandom(MIB)
    with serving(tmp_path, f"[DEFAULT]\nuser_storage_quota = {6 * MIB}\n") as (port, _):
        image = create(port)
        connection = sending(port, f"/v2/images/{image}/file", CHUNKED, [data] * 5)
        until(lambda: len(left(tmp_path)) == 1)
        assert request(port, "DELETE", f"/v2/images/{image}")[0] == 204
        connection.sendall(b"0\r\n\r\n")
        assert b" 410 " in connection.recv(1000)
        until(lambda: left(tmp_path) == [])
        for _ in range(6):
            connection = sending(port, f"/v2/images/{create(port)}/file", f"Content-Length: {MIB}", [data])
            assert b" 204 " in connection.recv(1000)


def upload(port: int, image: str, data: bytes) -> None:
    with contextlib.suppress(OSError):  # the server dies meanwhile
        sending(port, f"/v2/images/{image}/file", f"Content-Length: {len(data)}", [data])


def test_wherever_a_server_is_killed_no_image_is_active_with_wrong_data(tmp_path: Path) -> None:
    """Killed at another moment of the upload's end each time, the last part of which takes a few milliseconds."""
    data = os.urandom(MIB)
    outcomes = set()
    for attempt in range(12):
        with serving(tmp_path) as (port, pid):
            image = create(port)
            thread = threading.Thread(target=upload, args=(port, image, data))
            thread.start()
            time.sleep(0.002 * attempt)
            end(pid, signal.SIGKILL)
            thread.join()
        for path in left(tmp_path):
            os.utime(tmp_path / path, (time.time() - 3600,) * 2)
        with serving(tmp_path) as (port, _):
            shown = request(port, "GET", f"/v2/images/{image}")[1]
            outcomes.add(shown["status"])
            if shown["status"] == "active":
                assert request(port, "GET", f"/v2/images/{image}/file")[1] == data
                assert request(port, "DELETE", f"/v2/images/{image}")[0] == 204
                (tmp_path / "images" / image).unlink()  # what the job would do
            else:
                assert (shown["status"], shown["size"]) == ("queued", None)
            assert left(tmp_path) == []
    assert outcomes <= {"active", "queued"}


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_memory_stays_flat(tmp_path: Path) -> None:
    """192 MiB of zeros both ways, four at once, while others are answered. `benchmarks.image --sparse` takes 4 GiB."""
    with serving(tmp_path, "[glance_store]\nstores = file\nfilesystem_thin_provisioning = True\n") as (port, pid):
        zeros, size = bytes(MIB), 192
        before, ended = resident_mb(pid), threading.Event()
        most = [before]

        def watch() -> None:
            while not ended.wait(0.02):
                most[0] = max(most[0], resident_mb(pid))

        watcher = threading.Thread(target=watch)
        watcher.start()

        def transfer() -> None:
            image = create(port)
            connection = sending(port, f"/v2/images/{image}/file", CHUNKED, (zeros for _ in range(size)))
            connection.sendall(b"0\r\n\r\n")
            assert b" 204 " in connection.recv(1000)
            download = http.client.HTTPConnection(HOST, port, timeout=60)
            download.request("GET", f"/v2/images/{image}/file", headers={"X-Auth-Token": "member"})
            answer = download.getresponse()
            count = 0
            while piece := answer.read(MIB):
                count += len(piece)
            counts.append(count)

        counts: list[int] = []
        threads = [threading.Thread(target=transfer) for _ in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            assert request(port, "GET", "/v2/images")[0] == 200
            time.sleep(0.2)
        ended.set()
        watcher.join()
        assert counts == [size * MIB] * 4
        assert most[0] - before < 70
