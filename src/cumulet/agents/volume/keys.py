"""Who may use an export over TLS: a name and a key each, in the file that the storage daemon reads at every handshake.

So a key is good from the moment it is written, and no more once it is gone, while the daemon runs. Format: GnuTLS
password file for pre-shared keys, a line `name:hexadecimal key` each (QEMU's tls-creds-psk, `keys.psk`).
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from cumulet.agents.volume.durable import write_durably
from cumulet.agents.volume.protocols import Refused

_GROUP: Final = """\
-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
"""
"""RFC 7919's group ffdhe2048. A daemon that is given none computes one at each start, which takes seconds."""
_ENDED: Final = "."
"""What stands before the name of somebody whose connection has still to be cut; that line's key is nobody's."""
_LONGEST_NAME: Final = 64


class Keys:
    """Those of one export, in `folder`. The export's lock is held by who calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "keys.psk"

    def prepare(self) -> None:
        """Have the folder as a daemon wants it."""
        if not self._file.exists():
            self.folder.mkdir(mode=0o700, exist_ok=True)
            write_durably(self.folder / "dh-params.pem", _GROUP.encode())
            write_durably(self._file, b"")

    def of(self, name: str) -> str:
        """The key of that name, which is made when it is asked for first. Raises Refused for what can be no name."""
        if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii() or len(name) > _LONGEST_NAME:
            raise Refused(f"{name!r} is no attachment's id.")
        keys = self._all()
        if name not in keys:
            keys[name] = secrets.token_hex(32)
            self._put(keys)
        return keys[name]

    def withdraw(self, name: str) -> bool:
        """From now on nobody gets in by that name. Whether somebody may still be in: then call `withdrawn` after that
        one has been cut off."""
        keys = self._all()
        if name in keys:
            del keys[name]
            keys[_ENDED + name] = secrets.token_hex(32)
            self._put(keys)
        return _ENDED + name in keys

    def withdrawn(self, name: str) -> None:
        keys = self._all()
        if keys.pop(_ENDED + name, None) is not None:
            self._put(keys)

    def names(self) -> set[str]:
        """Who is let in."""
        return {name for name in self._all() if not name.startswith(_ENDED)}

    def _all(self) -> dict[str, str]:
        try:
            lines = self._file.read_text().split()
        except FileNotFoundError:
            return {}
        return {name: key for name, _, key in (line.partition(":") for line in lines)}

    def _put(self, keys: dict[str, str]) -> None:
        write_durably(self._file, "".join(f"{name}:{key}\n" for name, key in keys.items()).encode())
