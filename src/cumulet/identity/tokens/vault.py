"""Credentials at rest: encrypted with the primary key of their own repository, marked with which key that was."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from cumulet.identity.tokens import keys


class Undecryptable(Exception):
    """None of the keys there are opens this credential: its key was rotated away too early or never copied here."""


class Vault:
    """Encrypts and decrypts text with the keys of `repository`."""

    def __init__(self, repository: Path) -> None:
        self._keys = keys.Watched((repository,), lambda: keys.load(repository))

    @property
    def primary(self) -> str:
        """The hash that marks what the primary key encrypted. Raises keys.NoKeys."""
        return key_hash(self._keys.get()[0])

    def encrypt(self, text: str) -> tuple[str, str]:
        """The cipher text, and its key's hash. Raises keys.NoKeys."""
        key = self._keys.get()[0]
        return Fernet(key).encrypt(text.encode("utf-8", "surrogatepass")).decode("ascii"), key_hash(key)

    def decrypt(self, encrypted: str) -> str:
        """Raises Undecryptable or keys.NoKeys."""
        for refreshed in (False, True):
            if refreshed and not self._keys.refresh():
                break
            for key in self._keys.get():
                try:
                    return Fernet(key).decrypt(encrypted.encode("ascii")).decode("utf-8", "surrogatepass")
                except InvalidToken:
                    continue
        raise Undecryptable("no credential key opens this credential")


def key_hash(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()
