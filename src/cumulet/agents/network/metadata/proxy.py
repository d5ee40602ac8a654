"""The metadata proxy process: `python -m cumulet.agents.network.metadata.proxy DIRECTORY`.

It listens on sockets that the agent hands over, finds out by network and address which server is asking, and passes the
request on with that server's id, signed with the shared secret. It is started as root, to have its control socket where
only root can reach it, and then becomes nobody: what guests send is read without any privilege.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import ssl
import sys
from pathlib import Path

import msgspec

from cumulet.agents.network.metadata import control, http
from cumulet.agents.network.planning.plans import MetadataInstance

log = logging.getLogger(__name__)

CONTROL, PID = "control", "pid"
NOBODY = 65534

_AT_ONCE = 64  # requests at once from one network: no guest keeps the others' out for ever
_HEAD_SECONDS, _ANSWER_SECONDS = 10, 60
_CHUNK = 64 * 1024


class Listener:
    """One namespace's sockets and the servers behind them."""

    def __init__(self, proxy: Proxy, listen: control.Listen) -> None:
        self._proxy = proxy
        self.identity = listen.identity
        self._about = ("X-Neutron-Network-ID", listen.network_id or "") if listen.network_id else (
            "X-Neutron-Router-ID", listen.router_id or "")  # fmt: skip
        self.instances: dict[str, MetadataInstance] = {}
        self._servers: list[asyncio.Server] = []
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def open(self, sockets: list[socket.socket]) -> None:
        for listening in sockets:
            listening.setblocking(False)
            server = await asyncio.start_server(self._serve, sock=listening, limit=http.HEAD_LIMIT)
            self._servers.append(server)

    def close(self) -> None:
        for server in self._servers:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._free.locked():
                writer.write(http.answer("503 Service Unavailable"))
                return
            async with self._free:
                await self._one_request(reader, writer)
        except http.Refused as refusal:
            writer.write(http.answer(refusal.status))
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            log.debug("a guest went away in the middle of its request")
        finally:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_HEAD_SECONDS):
                    await writer.drain()
            writer.close()

    async def _one_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_HEAD_SECONDS):
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.LimitOverrunError as error:
                raise http.Refused("431 Request Header Fields Too Large") from error
            request = http.parse(head)
            body = await reader.readexactly(request.body_length)
        address = writer.get_extra_info("peername")[0].split("%")[0]
        instance = self.instances.get(address)
        if instance is None:
            raise http.Refused("404 Not Found")
        service = self._proxy.service
        if service is None:
            raise http.Refused("503 Service Unavailable")
        added = [
            ("X-Forwarded-For", address),
            self._about,
            *control.instance_headers(instance, http.signature(service.secret, instance.instance_id)),
        ]
        await self._pass_on(service, http.rewritten(request, service.host, added, body), writer)

    async def _pass_on(self, service: control.Service, request: bytes, writer: asyncio.StreamWriter) -> None:
        started = False
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                upstream, sender = await asyncio.open_connection(
                    service.host, service.port, ssl=self._proxy.tls(service)
                )
                try:
                    sender.write(request)
                    while chunk := await upstream.read(_CHUNK):
                        started = True
                        writer.write(chunk)
                        await writer.drain()
                finally:
                    sender.close()
        except TimeoutError as error:
            log.warning("the metadata service at %s:%s does not answer in time", service.host, service.port)
            if not started:
                raise http.Refused("504 Gateway Timeout") from error
        except OSError as error:
            log.warning("the metadata service at %s:%s cannot be reached: %s", service.host, service.port, error)
            if not started:
                raise http.Refused("502 Bad Gateway") from error
        if not started:
            raise http.Refused("502 Bad Gateway")


class Proxy:
    def __init__(self) -> None:
        self.service: control.Service | None = None
        self._listeners: dict[str, Listener] = {}

    def tls(self, service: control.Service) -> ssl.SSLContext | None:
        if service.protocol != "https":
            return None
        context = ssl.create_default_context()
        if service.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    async def run(self, listening: socket.socket) -> None:
        """Serve the control socket for ever."""
        loop = asyncio.get_running_loop()
        listening.setblocking(False)
        tasks: set[asyncio.Task[None]] = set()
        while True:
            connection, _ = await loop.sock_accept(listening)
            task = loop.create_task(self._converse(connection))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def _converse(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with connection:
            connection.setblocking(False)
            while True:
                await _readable(loop, connection)
                data, descriptors = control.receive(connection)
                if not data:
                    return
                sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
                try:
                    status = await self._obey(control.decoder.decode(data), sockets)
                except (msgspec.MsgspecError, OSError, KeyError) as error:
                    status = control.Status(error=f"{type(error).__name__}: {error}")
                await loop.sock_sendall(connection, control.encode_status(status))

    async def _obey(self, message: control.Message, sockets: list[socket.socket]) -> control.Status:
        match message:
            case control.Configure(service=service):
                self.service = service
            case control.Listen(key=key):
                self._close(key)
                listener = Listener(self, message)
                await listener.open(sockets)
                self._listeners[key] = listener
            case control.Instances(key=key, reset=reset, instances=instances):
                known = {} if reset else self._listeners[key].instances
                self._listeners[key].instances = known | instances
            case control.Close(key=key):
                self._close(key)
            case control.Ask():
                return control.Status(
                    pid=os.getpid(),
                    listeners={key: listener.identity for key, listener in self._listeners.items()},
                )
            case control.AskAddresses(key=key, start=start):
                known_here = sorted(self._listeners[key].instances)
                return control.Status(pid=os.getpid(), addresses=known_here[start : start + control.PART])
        return control.Status(pid=os.getpid())

    def _close(self, key: str) -> None:
        listener = self._listeners.pop(key, None)
        if listener is not None:
            listener.close()


async def _readable(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
    ready = loop.create_future()

    def note() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(connection, note)
    try:
        await ready
    finally:
        loop.remove_reader(connection)


def main(directory: Path) -> None:
    """Take the control socket's place, say so by the pid file, give up root, and serve."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    path = directory / CONTROL
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listening.bind(str(path))
    path.chmod(0o600)
    listening.listen(4)
    (directory / PID).write_text(str(os.getpid()))
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    asyncio.run(Proxy().run(listening))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
