"""Fernet tokens and receipts: sealed with the primary key of a key repository, opened with any of its keys."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from cumulet.identity.tokens import keys, payload
from cumulet.identity.tokens.payload import MalformedPayload, Payload, Receipt

_FORM = re.compile(r"[A-Za-z0-9_-]{80,1024}")


class FernetProvider:
    """`seal` and `open` tokens with the keys of `repository`; keys that are rotated in count within a second."""

    def __init__(self, repository: Path) -> None:
        self._keys = keys.Watched((repository,), lambda: [Fernet(key) for key in keys.load(repository)])

    def seal(self, token: Payload) -> str:
        """Raises keys.NoKeys."""
        return self._encrypt(payload.pack(token))

    def open(self, token: str) -> Payload | None:
        """None for a token that none of the keys sealed."""
        data = self._decrypt(token)
        try:
            return None if data is None else payload.unpack(data)
        except (MalformedPayload, UnicodeDecodeError):
            return None

    def seal_receipt(self, receipt: Receipt) -> str:
        """Raises keys.NoKeys."""
        return self._encrypt(payload.pack_receipt(receipt))

    def open_receipt(self, receipt: str) -> Receipt | None:
        data = self._decrypt(receipt)
        try:
            return None if data is None else payload.unpack_receipt(data)
        except (MalformedPayload, UnicodeDecodeError):
            return None

    def _encrypt(self, data: bytes) -> str:
        return self._keys.get()[0].encrypt(data).rstrip(b"=").decode("ascii")

    def _decrypt(self, token: str) -> bytes | None:
        sealed = _canonical(token)
        if sealed is None:
            return None
        data = _try(self._keys.get(), sealed)
        if data is None and self._keys.refresh():
            data = _try(self._keys.get(), sealed)
        return data


def _canonical(token: str) -> bytes | None:
    """The padded token; None if it is not the one spelling of its bytes, so that a token has one form only."""
    if _FORM.fullmatch(token) is None:
        return None
    sealed = token.encode("ascii") + b"=" * (-len(token) % 4)
    try:
        again = base64.urlsafe_b64encode(base64.urlsafe_b64decode(sealed))
    except ValueError:
        return None
    return sealed if again == sealed else None


def _try(candidates: list[Fernet], sealed: bytes) -> bytes | None:
    for fernet in candidates:
        try:
            return fernet.decrypt(sealed)
        except InvalidToken:
            continue
    return None
