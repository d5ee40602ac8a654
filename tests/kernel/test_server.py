"""What kernel.server relies on in Granian, and what every service relies on in kernel.server."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cumulet.kernel import server
from cumulet.processes import certificates

HOST = "127.0.0.1"
CHUNK = 64 * 1024


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Paths tell what it does: /pid, /slow, /upload (counts the body), /download/<bytes>, /environ, /crash."""
    path = environ["PATH_INFO"]
    length = None
    body: Iterable[bytes]
    if path == "/slow":
        time.sleep(1.0)
        body = [b"slow"]
    elif path == "/upload":
        count = peak = 0
        while data := environ["wsgi.input"].read(CHUNK):
            count += len(data)
            peak = max(peak, len(data))
        body = [f"{count} {peak} {resident_mb()}".encode()]
    elif path.startswith("/download/"):
        length = int(path.rpartition("/")[2])
        body = (bytes(CHUNK) for _ in range(length // CHUNK))
    elif path == "/environ":
        body = [repr(sorted(environ)).encode()]
    elif path == "/crash":
        raise RuntimeError("a fault of the application")
    else:
        body = [f"{os.getpid()} {environ['wsgi.url_scheme']} {environ['QUERY_STRING']}".encode()]
    headers = [("Content-Type", "text/plain")]
    if length is not None:
        headers.append(("Content-Length", str(length)))
    start_response("200 OK", headers)
    return body


def resident_mb() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextmanager
def serving(
    *ports: int, processes: int = 1, tls: tuple[Path, Path] | None = None, optional: tuple[int, ...] = ()
) -> Iterator[list[int]]:
    """The pids of processes that answer with `echo` on all ports; they are ready when the block begins."""
    pids = []
    read, write = os.pipe()
    for _ in range(processes):
        pid = os.fork()
        if pid == 0:
            os.environ["SECRET_OF_THE_SHELL"] = "s3cret"
            apps = dict.fromkeys(ports, echo)
            server.serve(apps, host=HOST, tls=tls, optional=optional, ready=lambda: os.write(write, b"r") and None)
            os._exit(0)
        pids.append(pid)
    try:
        for _ in pids:
            assert os.read(read, 1) == b"r"
        yield pids
    finally:
        for descriptor in (read, write):
            os.close(descriptor)
        for pid in pids:
            end(pid)


def end(pid: int) -> None:
    """SIGTERM, and SIGKILL for one that does not heed it: no test leaves a process behind."""
    try:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return


def get(port: int, path: str = "/pid") -> bytes:
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def test_one_process_answers_on_every_port() -> None:
    ports = free_ports(3)
    with serving(*ports) as [pid]:
        assert [get(port, "/pid?x=1") for port in ports] == [f"{pid} http x=1".encode()] * 3


def test_processes_share_ports() -> None:
    [port] = free_ports(1)
    with serving(port, processes=2) as pids:
        answered = {int(get(port).split()[0]) for _ in range(60)}
    assert answered == set(pids)


def test_a_killed_process_is_not_missed() -> None:
    [port] = free_ports(1)
    with serving(port, processes=2) as pids:
        os.kill(pids[0], signal.SIGKILL)
        os.waitpid(pids[0], 0)
        assert {int(get(port).split()[0]) for _ in range(20)} == {pids[1]}


def test_a_port_that_another_program_has_is_told() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(server.CannotListen, match=f"port {port} on {HOST}.*in use"):
            server.serve({port: echo}, host=HOST)


def test_an_optional_port_is_done_without() -> None:
    [port] = free_ports(1)
    with socket.create_server((HOST, 0)) as taken:
        other = taken.getsockname()[1]
        with serving(port, other, 1 << 16, optional=(other, 1 << 16)) as [pid]:
            assert int(get(port).split()[0]) == pid


def test_uploads_stream() -> None:
    """A body is not gathered in memory before the application sees it."""
    [port] = free_ports(1)
    size = 256 << 20
    with serving(port):
        before = int(_upload(port, CHUNK).split()[2])
        count, _, after = map(int, _upload(port, size).split())
    assert count == size
    assert after - before < 64


def _upload(port: int, size: int) -> bytes:
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    try:
        connection.request("PUT", "/upload", body=(bytes(CHUNK) for _ in range(size // CHUNK)))
        return connection.getresponse().read()
    finally:
        connection.close()


def test_downloads_stream() -> None:
    """An answer is not gathered in memory before the client reads it."""
    [port] = free_ports(1)
    size = 256 << 20
    with serving(port) as [pid]:
        connection = http.client.HTTPConnection(HOST, port, timeout=60)
        connection.request("GET", f"/download/{size}")
        answer = connection.getresponse()
        assert answer.getheader("Content-Length") == str(size)
        received, largest = 0, 0
        while data := answer.read(CHUNK):
            received += len(data)
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            largest = max(largest, pages * os.sysconf("SC_PAGE_SIZE") >> 20)
        connection.close()
    assert received == size
    assert largest < resident_mb() + 64


def test_a_request_under_way_is_finished_and_no_new_one_is_taken() -> None:
    [port, other] = free_ports(2)
    with serving(port, other) as [pid]:
        slow = http.client.HTTPConnection(HOST, port, timeout=10)
        slow.request("GET", "/slow")
        time.sleep(0.2)
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.2)
        with pytest.raises(ConnectionError):
            get(other)
        assert slow.getresponse().read() == b"slow"
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_idle_connections_do_not_hold_the_end_up() -> None:
    [port] = free_ports(1)
    with serving(port) as [pid]:
        idle = socket.create_connection((HOST, port))
        kept_alive = http.client.HTTPConnection(HOST, port, timeout=10)
        kept_alive.request("GET", "/pid")
        kept_alive.getresponse().read()
        begun = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        assert time.monotonic() - begun < 1.0
        idle.close()
        kept_alive.close()


def test_tls(tmp_path: Path) -> None:
    pair = certificates.ensure(tmp_path, {"localhost", HOST})
    [port] = free_ports(1)
    trusting = ssl.create_default_context(cafile=str(pair[0]))
    with serving(port, tls=pair) as [pid]:
        connection = http.client.HTTPSConnection(HOST, port, context=trusting, timeout=10)
        connection.request("GET", "/pid")
        assert connection.getresponse().read() == f"{pid} https ".encode()
        connection.close()
        with pytest.raises(ssl.SSLCertVerificationError):
            strange = http.client.HTTPSConnection(HOST, port, context=ssl.create_default_context(), timeout=10)
            strange.request("GET", "/pid")


def test_requests_do_not_carry_the_process_environment() -> None:
    """A shell variable called HTTP_X_AUTH_TOKEN must not look like a header, nor a secret lie in every request."""
    [port] = free_ports(1)
    with serving(port):
        keys = get(port, "/environ").decode()
    assert "SECRET_OF_THE_SHELL" not in keys
    assert "REQUEST_METHOD" in keys


def test_an_application_that_fails_answers_500_and_goes_on() -> None:
    [port] = free_ports(1)
    with serving(port) as [pid]:
        connection = http.client.HTTPConnection(HOST, port, timeout=10)
        connection.request("GET", "/crash")
        assert connection.getresponse().status == 500
        connection.close()
        assert get(port).startswith(str(pid).encode())
