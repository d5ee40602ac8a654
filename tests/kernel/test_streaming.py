"""Large bodies through kernel.streaming: whole or known to be cut, with little memory, keeping nobody waiting."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cumulet.kernel import server
from cumulet.kernel.bodies import BodyCut
from tests.kernel.test_server import HOST, end, free_ports, get, resident_mb

PIECE = bytes(64 << 10)
_before = 0  # MB the serving process had when it began: it is a copy of the tests' own


def grown_mb() -> int:
    return resident_mb() - _before


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """/count counts the body; /hold begins to read and then waits; /give/<megabytes>; /break ends early; /crash;
    /memory tells how much the process has grown; /watched gives without an end and reports when it is given up.
    """
    path = environ["PATH_INFO"]
    body: Iterable[bytes] = [f"{environ['REQUEST_METHOD']} {environ['QUERY_STRING']} {environ['REMOTE_ADDR']}".encode()]
    headers: list[tuple[str, str]] = []
    status = "200 OK"
    if path == "/count":
        count = 0
        try:
            while data := environ["wsgi.input"].read(1 << 20):
                count += len(data)
            body = [f"{count} {grown_mb()}".encode()]
        except BodyCut as cut:
            os.write(int(os.environ["REPORT"]), f"{count} {cut.message}\n".encode())
            status, body = "400 Bad Request", [b"cut"]
    elif path == "/hold":
        environ["wsgi.input"].read(1)
        time.sleep(2)
        body = [str(grown_mb()).encode()]
    elif path.startswith("/give/"):
        size = int(path.rpartition("/")[2]) << 20
        headers = [("Content-Length", str(size))]
        body = (PIECE for _ in range(size // len(PIECE)))
    elif path == "/memory":
        body = [str(grown_mb()).encode()]
    elif path == "/watched":
        body = watched()
    elif path == "/break":
        headers = [("Content-Length", "1000")]
        body = broken()
    elif path == "/crash":
        raise RuntimeError("a fault of the application")
    start_response(status, headers)
    return body


def watched() -> Iterator[bytes]:
    try:
        while True:
            yield PIECE
    finally:
        os.write(int(os.environ["REPORT"]), b"given up\n")


def broken() -> Iterator[bytes]:
    yield b"some"
    raise RuntimeError("the data is gone")


@contextmanager
def serving() -> Iterator[tuple[int, Any]]:
    """A port, and a file with a line for every body that was cut."""
    [port] = free_ports(1)
    ready_read, ready_write = os.pipe()
    report_read, report_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        global _before
        _before = resident_mb()
        os.environ["REPORT"] = str(report_write)
        server.serve(
            {port: app}, host=HOST, threads=2, streaming={port}, ready=lambda: os.write(ready_write, b"r") and None
        )
        os._exit(0)
    try:
        assert os.read(ready_read, 1) == b"r"
        with os.fdopen(report_read) as report:
            yield port, report
    finally:
        for descriptor in (ready_read, ready_write, report_write):
            os.close(descriptor)
        end(pid)


def send(port: int, head: bytes, body: bytes) -> socket.socket:
    connection = socket.create_connection((HOST, port), timeout=10)
    connection.sendall(b"PUT /count HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n" + body)
    return connection


CHUNKED = b"Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    ("head", "body"),
    [(CHUNKED, b"5\r\nhello\r\n"), (CHUNKED, b"5\r\nhel"), (b"Content-Length: 100000", b"hello")],
    ids=["between chunks", "in a chunk", "with a length"],
)
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_body_that_breaks_off_is_not_taken_for_a_whole_one(head: bytes, body: bytes, reset: bool) -> None:
    with serving() as (port, report):
        connection = send(port, head, body)
        time.sleep(0.2)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        assert report.readline().endswith("The request body ended before its end.\n")


def test_what_is_no_chunk_cuts_the_body() -> None:
    with serving() as (port, report):
        connection = send(port, CHUNKED, b"5\r\nhello\r\nzz\r\n")
        assert report.readline().endswith("ended before its end.\n")
        assert b"400" in connection.recv(100)
        connection.close()


def test_a_whole_body_is_whole() -> None:
    with serving() as (port, _):
        connection = send(port, CHUNKED, b"5\r\nhello\r\n0\r\n\r\n")
        assert b"\r\n\r\n5 " in connection.recv(1000)
        connection.close()


def test_large_bodies_both_ways_need_little_memory() -> None:
    with serving() as (port, _):
        connection = send(port, f"Content-Length: {512 << 20}".encode(), b"")
        for _ in range(512):
            connection.sendall(bytes(1 << 20))
        count, grown = connection.recv(1000).rpartition(b"\r\n\r\n")[2].split()
        assert (int(count), int(grown) < 100) == (512 << 20, True)
        connection.close()
        assert len(get(port, "/give/256")) == 256 << 20


def test_an_application_that_reads_slowly_is_not_flooded() -> None:
    with serving() as (port, _):
        connection = socket.create_connection((HOST, port), timeout=20)
        connection.sendall(f"PUT /hold HTTP/1.1\r\nHost: x\r\nContent-Length: {200 << 20}\r\n\r\n".encode())
        answers: list[bytes] = []
        thread = threading.Thread(target=lambda: answers.append(connection.recv(1000)))
        thread.start()
        connection.settimeout(0.5)
        with pytest.raises(OSError):
            for _ in range(200):
                connection.sendall(bytes(1 << 20))
        connection.settimeout(20)
        thread.join()
        connection.close()
        assert not answers or int(answers[0].rpartition(b"\r\n\r\n")[2] or 0) < 100


def test_slow_transfers_do_not_keep_others_waiting() -> None:
    with serving() as (port, _):
        slow = [send(port, CHUNKED, b"5\r\nhello\r\n") for _ in range(10)]
        unread = []
        for _ in range(10):
            connection = socket.create_connection((HOST, port))
            connection.sendall(b"GET /give/64 HTTP/1.1\r\nHost: x\r\n\r\n")
            unread.append(connection)
        time.sleep(0.2)
        started = time.monotonic()
        assert get(port, "/x?a=b") == b"GET a=b 127.0.0.1"
        assert time.monotonic() - started < 1
        for connection in slow + unread:
            connection.close()


def test_small_bodies_that_do_not_come_keep_nobody_waiting() -> None:
    with serving() as (port, _):
        waiting = [send(port, b"Content-Length: 10", part) for part in (b"", b"hello") * 10]
        time.sleep(0.2)
        assert get(port, "/x?a=b") == b"GET a=b 127.0.0.1"
        for connection in waiting:
            connection.close()


def test_a_small_body_that_comes_in_parts_is_whole() -> None:
    with serving() as (port, report):
        connection = send(port, b"Content-Length: 10", b"hello")
        time.sleep(0.2)
        connection.sendall(b"world")
        assert b"\r\n\r\n10 " in connection.recv(1000)
        connection.close()
        connection = send(port, b"Content-Length: 10", b"hello")
        time.sleep(0.2)
        connection.close()
        assert report.readline().endswith("The request body ended before its end.\n")


def test_an_answer_that_nobody_reads_is_not_fetched() -> None:
    with serving() as (port, _):
        connection = socket.create_connection((HOST, port))
        connection.sendall(b"GET /give/512 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(2)
        assert int(get(port, "/memory")) < 100
        connection.close()


def test_an_answer_is_given_up_when_the_client_is_gone() -> None:
    with serving() as (port, report):
        connection = socket.create_connection((HOST, port))
        connection.sendall(b"GET /watched HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1000)
        connection.close()
        assert report.readline() == "given up\n"


def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one() -> None:
    with serving() as (port, _):
        connection = socket.create_connection((HOST, port), timeout=10)
        connection.sendall(b"GET /break HTTP/1.1\r\nHost: x\r\n\r\n")
        data = b""
        while piece := connection.recv(1000):
            data += piece
        assert data.endswith(b"some")
        connection.close()


def test_a_fault_of_the_application_is_answered() -> None:
    with serving() as (port, _):
        connection = socket.create_connection((HOST, port), timeout=10)
        connection.sendall(b"GET /crash HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"500 Internal Server Error" in connection.recv(1000)
        connection.close()


def test_many_requests_share_a_connection() -> None:
    with serving() as (port, _):
        connection = socket.create_connection((HOST, port), timeout=10)
        for number in range(50):
            body = b"x" * number
            connection.sendall(
                f"PUT /count?{number} HTTP/1.1\r\nHost: x\r\nContent-Length: {number}\r\n\r\n".encode() + body
            )
            answer = connection.recv(1000)
            assert answer.rpartition(b"\r\n\r\n")[2].startswith(f"{number} ".encode()), answer
        connection.close()
