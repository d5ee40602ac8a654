"""`transport_url` as operators write it: `rabbit://user:password@host:5672,user:password@host2:5672/vhost`.

The form is oslo.messaging's (its TransportURL): several brokers between commas, each with its own credentials,
percent-encoded; the rest after the first slash is the virtual host, and none means `/`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

_SCHEMES = ("rabbit", "amqp", "kombu", "rabbits", "amqps")
_PORT = 5672
_TLS_PORT = 5671
_TRUE = ("1", "true", "yes", "on")


@dataclass(frozen=True)
class Broker:
    """One RabbitMQ node. Its text form leaves the password out, so it may be logged."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class TransportUrl(NamedTuple):
    """Where the brokers of one cloud are."""

    brokers: tuple[Broker, ...]
    virtual_host: str
    tls: bool


def parse_transport_url(url: str) -> TransportUrl:
    """Read a transport URL. Raises ValueError, with a text that does not contain the URL's passwords."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError(f"transport_url is not a URL: {error}") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError(
            f"transport_url: {parts.scheme or 'no scheme'} is not known, write rabbit://user:password@host"
        )
    options = parse_qs(parts.query)
    tls = parts.scheme.endswith("s") or options.get("ssl", ["0"])[-1].lower() in _TRUE
    brokers = []
    previous = Broker("", 0, "guest", "guest")
    for place in parts.netloc.split(","):
        previous = _broker(place.strip(), tls, previous)
        brokers.append(previous)
    return TransportUrl(tuple(brokers), unquote(parts.path[1:]) or "/", tls)


def _broker(place: str, tls: bool, previous: Broker) -> Broker:
    credentials, at, address = place.rpartition("@")
    user, colon, password = credentials.partition(":")
    if address.startswith("["):
        host, _, port = address[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = address.partition(":")
    if not host:
        raise ValueError("transport_url: a host name is missing")
    if port and not port.isdigit():
        raise ValueError(f"transport_url: the port of {host} is not a number")
    number = int(port) if port else _TLS_PORT if tls else _PORT
    if not at:  # one pair of credentials for all brokers is written only once
        return Broker(host, number, previous.user, previous.password)
    return Broker(host, number, unquote(user), unquote(password) if colon else "")
