"""Secrets that must be in the database: encrypted with a key that stands beside it, not in it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from cryptography.fernet import Fernet


class Vault:
    """Encrypts with the key in a file, made when it is first needed. Processes that share a database share it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def seal(self, text: str) -> str:
        return self._fernet().encrypt(text.encode()).decode()

    def unseal(self, sealed: str) -> str:
        """Raises cryptography.fernet.InvalidToken for what another key sealed."""
        return self._fernet().decrypt(sealed.encode()).decode()

    def _fernet(self) -> Fernet:
        if not self._file.exists():
            self._make()
        return Fernet(self._file.read_bytes())

    def _make(self) -> None:
        """Of several processes that make a key at once one wins; nobody reads half a file."""
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, self._file)
        temporary.unlink()
