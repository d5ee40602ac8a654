"""Time-based one-time passwords (RFC 6238): six digits, thirty seconds, SHA-1, from base32 secrets of users."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct

from cumulet.identity.domain import credentials
from cumulet.identity.service import Identity

_DIGITS = 6
_WINDOW_US = 30_000_000


def passcode(secret: str, at: int) -> str:
    """The code at a time in µs. Raises ValueError for a secret that is not base32."""
    padded = secret.strip().upper() + "=" * (-len(secret.strip()) % 8)
    key = base64.b32decode(padded)
    digest = hmac.new(key, struct.pack(">Q", at // _WINDOW_US), hashlib.sha1).digest()
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return str(number % 10**_DIGITS).zfill(_DIGITS)


def matches(identity: Identity, user_id: str | None, given: str, now: int) -> bool:
    """Whether the code is of one of the user's secrets, now or in the few windows before that are accepted."""
    windows = identity.conf.totp.included_previous_windows + 1
    stored = credentials.find(identity, user_id=user_id or "", kind=credentials.TOTP)
    found = False
    for credential in stored:
        for back in range(windows):
            try:
                wanted = passcode(credential.blob, now - back * _WINDOW_US)
            except ValueError:
                break
            found |= hmac.compare_digest(wanted.encode("ascii"), given.encode("utf-8", "surrogatepass"))
    return found
