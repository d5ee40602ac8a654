"""Who may open which console: Compute says where a token leads (Compute API, os-console-auth-tokens)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
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


class Client(Struct, frozen=True):
    """Who comes with a token. `keeps` says that it is a browser on our own page, which brings back what it is given
    (`proof`, empty at its first visit): many people can share one address."""

    address: str
    keeps: bool = False
    proof: str = ""


class Tokens:
    """A token is the user's to whom it was given: the first client that comes with it keeps it."""

    def __init__(self, login: Callable[[], Session]) -> None:
        self._login = login
        self._session: Session | None = None
        self._lock = threading.Lock()
        self._owners: dict[str, tuple[Client, float]] = {}

    def redeem(self, token: str, client: Client) -> tuple[Reach, str]:
        """Where `token` leads, and the proof that this client is to bring next time, "" if none. Raises Refused."""
        if not token or len(token) > 255:
            raise Refused("There is no token.")
        reach = self._ask(token)
        now = time.monotonic()
        first = Client(client.address, client.keeps, secrets.token_urlsafe(32) if client.keeps else "")
        with self._lock:
            self._owners = {key: one for key, one in self._owners.items() if now - one[1] < _REMEMBER_S}
            owner, _ = self._owners.get(name_of(token), (None, now))
            if owner is not None and not _is(client, owner):
                raise Refused("The token is somebody else's.")
            owner = owner or first
            self._owners[name_of(token)] = (owner, now)
        return reach, owner.proof

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


def name_of(token: str) -> str:
    """What may be remembered of a token, and be seen by others."""
    return hashlib.sha256(token.encode()).hexdigest()


def _is(client: Client, owner: Client) -> bool:
    return client.address == owner.address and hmac.compare_digest(client.proof.encode(), owner.proof.encode())
