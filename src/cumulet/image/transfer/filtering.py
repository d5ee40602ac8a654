"""Which addresses Image may fetch from for its users ([import_filtering_opts], and internal addresses never).

A URL is judged and resolved in one step, and the connection is made to the address that was judged: a name that
answers differently a moment later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Sequence[Address]]


class Refused(Exception):
    """The URL must not be fetched; the message says why."""


@dataclass(frozen=True)
class Target:
    """A URL that may be fetched, with the addresses it may be fetched from."""

    url: str
    parts: SplitResult
    host: str
    port: int
    addresses: tuple[Address, ...]


class Filter(Protocol):
    """Judges the URLs that are about to be asked."""

    def check(self, url: str) -> Target:
        """Raises Refused."""


def resolve(host: str, port: int) -> Sequence[Address]:
    """Every address of a name. The trailing dot keeps the resolver from reading numbers in other notations."""
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        pass  # a name, not an address
    name = host if host.endswith(".") else f"{host}."
    found: list[Address] = []
    for entry in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM):
        address = ipaddress.ip_address(str(entry[4][0]).partition("%")[0])
        if address not in found:
            found.append(address)
    return found


class ImportFilter:
    """The operator's lists. Where an allow-list and a deny-list are both given, only the allow-list counts.

    `allowed_hosts` also opens internal addresses: what the operator names is meant.
    """

    def __init__(self, options: Any, resolver: Resolver = resolve) -> None:
        self._schemes = _Lists(options.allowed_schemes, options.disallowed_schemes)
        self._hosts = _Lists(options.allowed_hosts, options.disallowed_hosts)
        self._ports = _Lists(options.allowed_ports, options.disallowed_ports)
        self._resolver = resolver

    def check(self, url: str) -> Target:
        """Raises Refused."""
        try:
            parts = urlsplit(url)
            host, given_port = parts.hostname, parts.port
        except ValueError as error:
            raise Refused(f"{url} is not a URL: {error}") from None
        if parts.scheme not in ("http", "https") or not self._schemes.allow(parts.scheme):
            raise Refused(f"the scheme of {url} is not allowed")
        name = _plain_host(host)
        if name is None or not self._hosts.allow(name):
            raise Refused(f"the host of {url} is not allowed")
        if given_port is not None and not self._ports.allow(given_port):
            raise Refused(f"the port of {url} is not allowed")
        port = given_port or (443 if parts.scheme == "https" else 80)
        addresses = tuple(one for one in self._addresses(name, port) if self._may_connect(name, one))
        if not addresses:
            raise Refused(f"the host of {url} has no address that is allowed")
        return Target(url, parts, name, port, addresses)

    def _addresses(self, host: str, port: int) -> Sequence[Address]:
        try:
            return [ipaddress.ip_address(host)]  # whatever resolver there is
        except ValueError:
            pass  # a name, not an address
        try:
            return self._resolver(host, port)
        except (OSError, UnicodeError) as error:
            raise Refused(f"the host {host} cannot be resolved: {error}") from None

    def _may_connect(self, host: str, address: Address) -> bool:
        if self._hosts.names(host):
            return True
        return not is_internal(address) and str(address) not in self._hosts.denied


class EndpointFilter:
    """Only one endpoint, which the operator's catalog names and so may be internal; not what it redirects to."""

    def __init__(self, endpoint: str, resolver: Resolver = resolve) -> None:
        self._origin = origin(endpoint)
        self._resolver = resolver

    def check(self, url: str) -> Target:
        """Raises Refused."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.hostname is None or origin(url) != self._origin:
            raise Refused(f"{url} is not at the endpoint that the catalog names")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            addresses = tuple(self._resolver(parts.hostname, port))
        except (OSError, UnicodeError) as error:
            raise Refused(f"the host {parts.hostname} cannot be resolved: {error}") from None
        return Target(url, parts, parts.hostname, port, addresses)


def origin(url: str) -> tuple[str, str]:
    """Scheme, and host with port: what is told to one origin (a token) is not told to another."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def is_internal(address: Address) -> bool:
    """Addresses of this machine, its links and their services (169.254.169.254), in every disguise.

    Private ranges are not among them: a private cloud's own file servers are what it imports from.
    """
    inner = _embedded(address)
    if inner is not None:
        return is_internal(inner)
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_multicast
        or (isinstance(address, ipaddress.IPv4Address) and address in _THIS_NETWORK)
    )


_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside an IPv6 one: mapped, 6to4, NAT64 (RFC 6052), or IPv4-compatible."""
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    number = int(address)
    if address in _NAT64 or (number >> 32 == 0 and number > 1):
        return ipaddress.IPv4Address(number & 0xFFFFFFFF)
    return None


def _plain_host(host: str | None) -> str | None:
    """A host without notations that only some programs read as an address (`127.1`, `2130706433`, `0x7f.1`)."""
    if not host:
        return None
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass  # a name, or an address in an odd notation
    labels = host.rstrip(".").split(".")
    if all(label.isdigit() or label.startswith("0x") for label in labels):
        return None
    return host


class _Lists:
    """An allow-list and a deny-list of one property."""

    def __init__(self, allowed: Sequence[Any] | None, denied: Sequence[Any] | None) -> None:
        self.allowed = frozenset(allowed or ())
        self.denied = frozenset() if self.allowed else frozenset(denied or ())

    def allow(self, value: Any) -> bool:
        return value in self.allowed if self.allowed else value not in self.denied

    def names(self, value: Any) -> bool:
        return value in self.allowed
