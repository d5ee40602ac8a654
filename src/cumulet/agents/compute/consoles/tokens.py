"""Who may open which console: Compute says where a token leads (Compute API, os-console-auth-tokens)."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from msgspec import Struct

from cumulet.kernel.client import Session, Unreachable

_HEADERS: Final = {"OpenStack-API-Version": "compute 2.31"}
_REMEMBER_S: Final = 3600.0


class Refused(Exception):
    """This token opens nothing here; the message is for whoever sent it."""


class Reach(Struct, frozen=True):
    """Where a console is: a socket on this host (`path`), else a host and port."""

    server_id: str
    host: str
    port: int
    path: str | None


class Tokens:
    """A token is the user's to whom it was given: the first client that comes with it keeps it."""

    def __init__(self, login: Callable[[], Session]) -> None:
        self._login = login
        self._session: Session | None = None
        self._lock = threading.Lock()
        self._owners: dict[str, tuple[str, float]] = {}

    def redeem(self, token: str, client: str) -> Reach:
        """Where `token` leads, for the client at this address. Raises Refused."""
        if not token or len(token) > 255:
            raise Refused("There is no token.")
        reach = self._ask(token)
        name, now = hashlib.sha256(token.encode()).hexdigest(), time.monotonic()
        with self._lock:
            self._owners = {key: one for key, one in self._owners.items() if now - one[1] < _REMEMBER_S}
            owner, _ = self._owners.setdefault(name, (client, now))
        if owner != client:
            raise Refused("The token is somebody else's.")
        return reach

    def _ask(self, token: str) -> Reach:
        try:
            with self._lock:
                self._session = self._session or self._login()
                session = self._session
            path = f"/os-console-auth-tokens/{quote(token, safe='')}"
            answer = session.request("GET", "compute", path, headers=_HEADERS)
        except (Unreachable, LookupError, ValueError) as error:
            raise Refused(f"Compute does not answer: {error}") from None
        if answer.status != 200:
            raise Refused("The token is unknown or has expired.")
        shown = answer.json()["console"]
        return Reach(shown["instance_uuid"], shown["host"], int(shown["port"] or 0), shown["internal_access_path"])
