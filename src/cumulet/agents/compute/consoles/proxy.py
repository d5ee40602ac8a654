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
from urllib.parse import parse_qs, unquote, urlsplit

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from cumulet.agents.compute import unix
from cumulet.agents.compute.consoles.tokens import Reach, Refused, Tokens

log = logging.getLogger(__name__)

PAGES: Final = Path("/usr/share/novnc")
_CHUNK: Final = 65536
_CONNECT_S: Final = 10.0
_SECURITY: Final = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}


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
            return self._file(urlsplit(request.path).path)
        if not self._is_own(request.headers):
            log.warning("a console was asked for from %s", request.headers.get("Origin"))
            return _plain(http.HTTPStatus.FORBIDDEN, "Origin header does not match this host.")
        try:
            reach = self._tokens.redeem(_token_of(request), str(connection.remote_address[0]))
        except Refused as error:
            return _plain(http.HTTPStatus.FORBIDDEN, str(error))
        connection.reach = reach  # type: ignore[attr-defined]
        return None

    def _is_own(self, headers: Headers) -> bool:
        origin = headers.get("Origin")
        if origin is None:
            return True  # not a browser: what has no pages cannot be misled by one
        parts = urlsplit(origin.lower())
        host = headers.get("Host", "").lower()
        return parts.netloc == host or parts.netloc in self._allowed or (parts.hostname or "") in self._allowed

    def _file(self, path: str) -> Response:
        if self._pages is None:
            return _plain(http.HTTPStatus.METHOD_NOT_ALLOWED, "Here are only websockets.")
        name = unquote(path).lstrip("/") or "vnc.html"
        file = (self._pages / name).resolve()
        if name == "vnc_auto.html" and not file.exists():  # newer noVNC has it under another name
            file = self._pages / "vnc_lite.html"
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
    for part in request.headers.get("Cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == "token":
            return unquote(value)
    return ""


def _binary(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return Subprotocol("binary") if "binary" in offered else None


def _plain(status: http.HTTPStatus, text: str) -> Response:
    data = text.encode() + b"\n"
    headers = Headers({"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(data)), **_SECURITY})
    headers["Connection"] = "close"
    return Response(status.value, status.phrase, headers, data)
