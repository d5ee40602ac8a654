"""The console proxy: a websocket with a token on one side, a guest's screen or serial line on the other.

A page of another site must not reach consoles with the visitor's browser (CVE-2015-0259): a websocket that carries an
Origin is only taken from this proxy's own pages, or from the hosts in `[console] allowed_origins`.
"""

from __future__ import annotations

import contextlib
import http
import logging
import mimetypes
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from cumulet.agents.compute import unix
from cumulet.agents.compute.consoles.tokens import Client, Reach, Refused, Tokens, name_of

log = logging.getLogger(__name__)

# Where noVNC is: its package's place, and where scripts/packages lays its pages without what else the package brings.
PAGES: Final = (Path("/usr/share/novnc"), Path("/usr/local/share/novnc"))
_CHUNK: Final = 65536
_CONNECT_S: Final = 10.0
_COOKIE_S: Final = 3600
_SECURITY: Final = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}


def pages() -> Path:
    """The directory of noVNC's pages, whether they are there or not."""
    return next((place for place in PAGES if (place / "vnc.html").exists()), PAGES[0])


class ConsoleProxy:
    """One port. `pages` are the files it serves to browsers, None for a port that only speaks websocket."""

    def __init__(self, tokens: Tokens, *, pages: Path | None = None, allowed_origins: Sequence[str] = ()) -> None:
        self._tokens = tokens
        self._pages = pages.resolve() if pages is not None else None
        self._allowed = frozenset(origin.lower() for origin in allowed_origins)

    def listen(self, host: str, port: int) -> Server:
        """Raises OSError when the port is taken. `serve_forever` on what is returned works until `shutdown`."""
        return serve(
            self._handle,
            host,
            port,
            process_request=self._answer,
            process_response=_with_proof,
            select_subprotocol=_binary,
            compression=None,
            max_size=1 << 20,
            server_header=None,
            logger=log,
        )

    # -- before it is a websocket -------------------------------------------------------------------------------------

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """None to go on as a websocket."""
        if "websocket" not in request.headers.get("Upgrade", "").lower():
            return self._file(urlsplit(request.path))
        if not self._is_own(request.headers):
            log.warning("a console was asked for from %s", request.headers.get("Origin"))
            return _plain(http.HTTPStatus.FORBIDDEN, "Origin header does not match this host.")
        token = _token_of(request)
        cookie = f"console-{name_of(token)[:16]}"
        client = Client(
            str(connection.remote_address[0]),
            keeps=_is_our_page(request.headers),
            proof=_cookie(request.headers, cookie),
        )
        try:
            reach, proof = self._tokens.redeem(token, client)
        except Refused as error:
            return _plain(http.HTTPStatus.FORBIDDEN, str(error))
        # The library's connection is one object from here to `_handle`, and has no place for what is ours.
        connection.reach = reach  # type: ignore[attr-defined]
        connection.proof = (cookie, proof)  # type: ignore[attr-defined]
        return None

    def _is_own(self, headers: Headers) -> bool:
        origin = headers.get("Origin")
        if origin is None:
            return True  # not a browser: what has no pages cannot be misled by one
        parts = urlsplit(origin.lower())
        return _is_our_page(headers) or parts.netloc in self._allowed or (parts.hostname or "") in self._allowed

    def _file(self, address: SplitResult) -> Response:
        if self._pages is None:
            return _plain(http.HTTPStatus.METHOD_NOT_ALLOWED, "Here are only websockets.")
        name = unquote(address.path).lstrip("/") or "vnc.html"
        if name == "vnc_auto.html":  # Nova's name for a page that connects at once, which noVNC no longer has
            return _elsewhere(
                "/vnc.html?autoconnect=true&resize=scale" + (f"&{address.query}" if address.query else "")
            )
        file = (self._pages / name).resolve()
        if not file.is_relative_to(self._pages) or not file.is_file():
            return _plain(http.HTTPStatus.NOT_FOUND, "There is no such page.")
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        data = file.read_bytes()
        headers = Headers({"Content-Type": kind, "Content-Length": str(len(data)), "Connection": "close", **_SECURITY})
        return Response(200, "OK", headers, data)

    # -- as a websocket -----------------------------------------------------------------------------------------------

    def _handle(self, connection: ServerConnection) -> None:
        reach: Reach = connection.reach  # type: ignore[attr-defined]
        try:
            line = _connect(reach)
        except OSError as error:
            log.info("the console of %s cannot be reached: %s", reach.server_id, error)
            connection.close(1011, "The console cannot be reached.")
            return
        with contextlib.closing(line):
            back = threading.Thread(target=_to_browser, args=(line, connection), name="console", daemon=True)
            back.start()
            with contextlib.suppress(ConnectionClosed, OSError):
                for message in connection:
                    line.sendall(message.encode() if isinstance(message, str) else message)
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            back.join(_CONNECT_S)


def _to_browser(line: socket.socket, connection: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed, OSError):
        while data := line.recv(_CHUNK):
            connection.send(data)
    connection.close()


def _connect(reach: Reach) -> socket.socket:
    if reach.path:
        line = unix.connect(Path(reach.path), _CONNECT_S)
    else:
        line = socket.create_connection((reach.host, reach.port), timeout=_CONNECT_S)
    line.settimeout(None)
    return line


def _token_of(request: Request) -> str:
    """In the query, or (older noVNC) in a cookie."""
    found = parse_qs(urlsplit(request.path).query).get("token")
    if found:
        return found[0]
    return unquote(_cookie(request.headers, "token"))


def _cookie(headers: Headers, wanted: str) -> str:
    for header in headers.get_all("Cookie"):
        for part in header.split(";"):
            name, _, value = part.strip().partition("=")
            if name == wanted:
                return value
    return ""


def _is_our_page(headers: Headers) -> bool:
    """Whether a browser that shows this proxy's own page asks."""
    host = headers.get("Host", "").lower()
    return bool(host) and urlsplit(headers.get("Origin", "").lower()).netloc == host


def _with_proof(connection: ServerConnection, request: Request, response: Response) -> None:
    """Give a browser what it is known by when it comes with the same token again."""
    name, proof = getattr(connection, "proof", ("", ""))
    if response.status_code == http.HTTPStatus.SWITCHING_PROTOCOLS and proof:
        secure = "; Secure" if request.headers.get("Origin", "").lower().startswith("https:") else ""
        kept = f"{name}={proof}; Path=/; Max-Age={_COOKIE_S}; HttpOnly; SameSite=Strict{secure}"
        response.headers["Set-Cookie"] = kept


def _binary(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return Subprotocol("binary") if "binary" in offered else None


def _elsewhere(location: str) -> Response:
    headers = Headers({"Location": location, "Content-Length": "0", "Connection": "close", **_SECURITY})
    return Response(302, "Found", headers, b"")


def _plain(status: http.HTTPStatus, text: str) -> Response:
    data = text.encode() + b"\n"
    headers = Headers({"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(data)), **_SECURITY})
    headers["Connection"] = "close"
    return Response(status.value, status.phrase, headers, data)
