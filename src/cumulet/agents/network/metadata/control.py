"""What the agent and its metadata proxy say to each other over a Unix socket that only root can reach.

Each message is one packet (SOCK_SEQPACKET) of JSON, `listen` with its sockets attached, and is answered by one.
"""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec
from msgspec import Struct

from cumulet.agents.network.planning.plans import MetadataInstance

PACKET = 1 << 18  # bytes, more than the kernel takes as one packet
PART = 500  # instances in one packet; each takes about 150 bytes
SOCKETS = 64


class Service(Struct, frozen=True):
    """Where the metadata service is, and the secret it shares with us."""

    host: str
    port: int
    protocol: str
    secret: str
    insecure: bool


class Configure(Struct, frozen=True, tag="configure"):
    service: Service


class Listen(Struct, frozen=True, tag="listen"):
    """Serve on the attached sockets. `identity` says what they are, so that an agent sees if they are still right."""

    key: str
    identity: str
    network_id: str | None
    router_id: str | None


class Instances(Struct, frozen=True, tag="instances"):
    """Some of a listener's instances by address: the first message starts anew (`reset`), others add to it."""

    key: str
    reset: bool
    instances: dict[str, MetadataInstance]


class Close(Struct, frozen=True, tag="close"):
    key: str


class Ask(Struct, frozen=True, tag="ask"):
    """Which listeners are there? Answered by `Status.listeners`."""


class AskAddresses(Struct, frozen=True, tag="addresses"):
    """Whom does a listener know, from the `start`th on? Answered by `Status.addresses`, at most PART of them."""

    key: str
    start: int


class Status(Struct, frozen=True):
    """The answer to anything: the identities of listeners by key, addresses in order, or what went wrong."""

    pid: int = 0
    listeners: dict[str, str] = {}
    addresses: list[str] = []
    error: str | None = None


Message = Configure | Listen | Instances | Close | Ask | AskAddresses
decoder = msgspec.json.Decoder(Message)
_status = msgspec.json.Decoder(Status)


class ProxyUnreachable(OSError):
    """No proxy answers at its socket."""


class Client:
    """The agent's end. ProxyUnreachable if there is no proxy, or it does not answer within a few seconds."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        self._socket.settimeout(5)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise ProxyUnreachable(f"the metadata proxy does not answer: {error}") from error

    def send(self, message: Message, sockets: list[socket.socket] | None = None) -> Status:
        data = msgspec.json.encode(message)
        try:
            socket.send_fds(self._socket, [data], [s.fileno() for s in sockets or []])
            answer = self._socket.recv(PACKET)
        except OSError as error:
            raise ProxyUnreachable(f"the metadata proxy does not answer: {error}") from error
        if not answer:
            raise ProxyUnreachable("the metadata proxy has gone")
        status = _status.decode(answer)
        if status.error is not None:
            raise ProxyUnreachable(f"the metadata proxy refuses: {status.error}")
        return status

    def send_instances(self, key: str, instances: tuple[tuple[str, MetadataInstance], ...]) -> None:
        """All of them, in as many packets as it takes."""
        for start in range(0, max(len(instances), 1), PART):
            part = dict(instances[start : start + PART])
            self.send(Instances(key=key, reset=start == 0, instances=part))

    def addresses(self, key: str) -> list[str]:
        """All that a listener knows."""
        found: list[str] = []
        while part := self.send(AskAddresses(key=key, start=len(found))).addresses:
            found += part
        return found

    def close(self) -> None:
        self._socket.close()


def encode_status(status: Status) -> bytes:
    return msgspec.json.encode(status)


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """One packet and its file descriptors (the proxy's end); empty when the agent has gone."""
    data, descriptors, _, _ = socket.recv_fds(connection, PACKET, SOCKETS)
    return data, list(descriptors)


def instance_headers(instance: MetadataInstance, signature: str) -> list[tuple[str, str]]:
    """The headers by which Nova's metadata service believes who asks."""
    return [
        ("X-Instance-ID", instance.instance_id),
        ("X-Tenant-ID", instance.project_id),
        ("X-Instance-ID-Signature", signature),
    ]
