"""Secrets that people type: hashed with bcrypt, and verified whatever strong hash a migrated user has.

Stored forms, those of the original's databases:
- `$2b$12$…`: bcrypt. Passwords of 72 bytes and more would be cut there, and so get
- `$bcrypt-sha256$v=2,t=2b,r=12$salt$digest`: bcrypt over a keyed SHA-256 of the password (passlib's form);
- `$scrypt$ln=16,r=8,p=1$salt$digest`, `$pbkdf2-sha512$rounds$salt$digest`: verified, never written.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import time

import bcrypt

_BCRYPT_LIMIT = 72  # bytes that bcrypt heeds
_SCRYPT_MEMORY = 1 << 28


class Passwords:
    """Hashes and verifies. Safe in threads: the hash runs without Python's lock, so other threads go on.

    A success is remembered for `remember_s` seconds under a key made of a secret of this process, the user, the stored
    hash and the password: a changed password has another hash, so it is forgotten at once; nothing else is kept.
    """

    def __init__(self, rounds: int = 12, *, remember_s: float = 60.0, capacity: int = 4096) -> None:
        self._rounds = rounds
        self._remember = remember_s
        self._capacity = capacity
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, float] = {}
        self._lock = threading.Lock()
        self._decoy = bcrypt.gensalt(rounds)

    def hash(self, password: str) -> str:
        """The form to store. Takes as long as the hash is strong: never call it inside a transaction."""
        raw = _bytes(password)
        if len(raw) < _BCRYPT_LIMIT and b"\0" not in raw:
            return bcrypt.hashpw(raw, bcrypt.gensalt(self._rounds)).decode("ascii")
        return _bcrypt_sha256(raw, bcrypt.gensalt(self._rounds))

    def verify(self, user_id: str, stored: str | None, password: str) -> bool:
        """Whether `password` is the one behind `stored`. Without a stored hash it takes the same time and says no.

        Never call it inside a transaction.
        """
        if not stored:
            self.waste()
            return False
        key = self._memory_key(user_id, stored, password)
        now = time.monotonic()
        until = self._known.get(key)
        if until is not None and now < until:
            return True
        if not matches(stored, password):
            return False
        self._store(key, now)
        return True

    def waste(self) -> None:
        """Take the time of one verification: an unknown user must not be told from a wrong password by the clock."""
        bcrypt.hashpw(b"no such user", self._decoy)

    def _memory_key(self, user_id: str, stored: str, password: str) -> bytes:
        digest = hashlib.blake2b(key=self._key, digest_size=32)
        for part in (user_id, stored, password):
            raw = _bytes(part)
            digest.update(len(raw).to_bytes(4, "big"))
            digest.update(raw)
        return digest.digest()

    def _store(self, key: bytes, now: float) -> None:
        if self._remember <= 0:
            return
        with self._lock:
            if len(self._known) >= self._capacity:
                self._known = {known: until for known, until in self._known.items() if until > now}
            while len(self._known) >= self._capacity:
                self._known.pop(next(iter(self._known)))
            self._known[key] = now + self._remember


def matches(stored: str, password: str) -> bool:
    """Whether `password` is behind `stored`, in any of the forms above. A form that is not known says no."""
    raw = _bytes(password)
    try:
        if stored.startswith(("$2a$", "$2b$", "$2y$")):
            if b"\0" in raw:
                return False
            # Databases of the original may hold hashes of longer passwords, which it cut here.
            return bcrypt.checkpw(raw[:_BCRYPT_LIMIT], stored.encode("ascii"))
        if stored.startswith("$bcrypt-sha256$"):
            return _matches_bcrypt_sha256(stored, raw)
        if stored.startswith("$scrypt$"):
            return _matches_scrypt(stored, raw)
        if stored.startswith("$pbkdf2-sha512$"):
            return _matches_pbkdf2(stored, raw)
    except (ValueError, KeyError):  # binascii's and Unicode's errors are ValueErrors
        return False
    return False


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _bcrypt_sha256(raw: bytes, salt: bytes) -> str:
    """`salt` is bcrypt's own `$2b$<rounds>$<22 characters>`."""
    _, kind, rounds, tail = salt[:29].decode("ascii").split("$")
    digest = hmac.new(tail.encode("ascii"), raw, hashlib.sha256).digest()
    result = bcrypt.hashpw(base64.b64encode(digest), salt[:29]).decode("ascii")
    return f"$bcrypt-sha256$v=2,t={kind},r={int(rounds)}${tail}${result[29:]}"


def _matches_bcrypt_sha256(stored: str, raw: bytes) -> bool:
    _, _, settings, salt, digest = stored.split("$")
    given = dict(part.split("=") for part in settings.split(","))
    if given.get("v") != "2":
        return False
    again = _bcrypt_sha256(raw, f"${given['t']}${int(given['r']):02d}${salt}".encode("ascii"))
    return hmac.compare_digest(again.rpartition("$")[2], digest)


def _matches_scrypt(stored: str, raw: bytes) -> bool:
    _, _, settings, salt, digest = stored.split("$")
    given = {name: int(value) for name, value in (part.split("=") for part in settings.split(","))}
    wanted = _unpack(digest)
    again = hashlib.scrypt(
        raw,
        salt=_unpack(salt),
        n=1 << given["ln"],
        r=given["r"],
        p=given["p"],
        maxmem=_SCRYPT_MEMORY,
        dklen=len(wanted),
    )
    return hmac.compare_digest(again, wanted)


def _matches_pbkdf2(stored: str, raw: bytes) -> bool:
    _, _, rounds, salt, digest = stored.split("$")
    wanted = _unpack(digest)
    again = hashlib.pbkdf2_hmac("sha512", raw, _unpack(salt), int(rounds), len(wanted))
    return hmac.compare_digest(again, wanted)


def _unpack(text: str) -> bytes:
    """passlib's base64: `.` for `+`, no padding."""
    plain = text.replace(".", "+")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
