"""Reading from the network for users: every hop of a redirect is judged before it is taken."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urljoin

from cumulet.image.transfer.filtering import Address, Filter, Refused, Target, origin

_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 10


class FetchFailed(Exception):
    """The data cannot be had: unreachable, refused by the other side, or broken off. The message says why."""


class Download:
    """An answer's body. `length` is its size in bytes where the server said so."""

    def __init__(self, response: http.client.HTTPResponse, connection: http.client.HTTPConnection) -> None:
        self._response = response
        self._connection = connection
        length = response.getheader("Content-Length")
        self.length = int(length) if length is not None and length.isdigit() else None
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self._left = self.length

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, none at the end. Raises FetchFailed when the data breaks off."""
        try:
            data = self._response.read(size)
        except (OSError, http.client.HTTPException) as error:
            raise FetchFailed(f"The download broke off: {error}") from error
        if self._left is not None:
            if not data and self._left:
                raise FetchFailed(f"The download broke off {self._left} bytes before its end.")
            self._left -= len(data)
        return data

    def close(self) -> None:
        self._connection.close()


def fetch(
    filtering: Filter,
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
    accept: tuple[int, ...] = (200,),
) -> Download:
    """Open a URL. Raises Refused for an address that may not be asked (also one redirected to), FetchFailed."""
    sent = {"User-Agent": "cumulet", "Accept-Encoding": "identity", **(headers or {})}
    for _ in range(_MAX_REDIRECTS + 1):
        target = filtering.check(url)
        download = _request(target, method, sent, timeout_s)
        if download.status not in _REDIRECTS:
            if download.status not in accept:
                download.close()
                raise FetchFailed(f"{url} answered with status {download.status}.")
            return download
        location = download.headers.get("location")
        download.close()
        if not location:
            raise FetchFailed(f"{url} redirects to nowhere.")
        following = urljoin(url, location)
        if origin(following) != origin(url):
            sent.pop("X-Auth-Token", None)
        url = following
    raise FetchFailed(f"More than {_MAX_REDIRECTS} redirects.")


def _request(target: Target, method: str, headers: Mapping[str, str], timeout_s: float) -> Download:
    problem: Exception | None = None
    for address in target.addresses:
        connection = _connection(target, address, timeout_s)
        try:
            path = target.parts.path or "/"
            if target.parts.query:
                path += f"?{target.parts.query}"
            connection.request(method, path, headers=dict(headers))
            return Download(connection.getresponse(), connection)
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            problem = error
    raise FetchFailed(f"{target.url} cannot be reached: {problem}")


def _connection(target: Target, address: Address, timeout_s: float) -> http.client.HTTPConnection:
    """A connection that goes to the judged address whatever the name says by now; TLS still checks the name."""
    if target.parts.scheme == "https":
        return _PinnedTls(target.host, target.port, str(address), timeout_s)
    return _Pinned(target.host, target.port, str(address), timeout_s)


class _Pinned(http.client.HTTPConnection):
    def __init__(self, host: str, port: int, address: str, timeout_s: float) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self.timeout)


class _PinnedTls(http.client.HTTPSConnection):
    def __init__(self, host: str, port: int, address: str, timeout_s: float) -> None:
        self._tls = ssl.create_default_context()
        super().__init__(host, port, timeout=timeout_s, context=self._tls)
        self._address = address

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


__all__ = ["Download", "FetchFailed", "Refused", "fetch"]
