"""libnftables through ctypes: the part of it that the agent needs, JSON in and JSON out.

A context's netlink socket belongs to the network namespace in which the context was made, so one context per namespace
is made there once and used from anywhere after.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from functools import cache
from typing import Any

import msgspec

Command = dict[str, Any]

_OUTPUT_JSON = 1 << 4
_LIBRARY = "libnftables.so.1"


class NftError(Exception):
    """libnftables refused a transaction; nothing of it was applied."""


class NftMissing(NftError):
    """The library is not installed on this host (Debian: libnftables1)."""


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise NftMissing(f"{_LIBRARY} cannot be loaded: {error}") from error
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    library.nft_ctx_free.argtypes = [ctypes.c_void_p]
    library.nft_ctx_buffer_output.argtypes = [ctypes.c_void_p]
    library.nft_ctx_buffer_error.argtypes = [ctypes.c_void_p]
    library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        getter = getattr(library, name)
        getter.argtypes = [ctypes.c_void_p]
        getter.restype = ctypes.c_char_p
    return library


def available() -> bool:
    try:
        _library()
    except NftMissing:
        return False
    return True


class Context:
    """One libnftables context, bound to the namespace of the thread that makes it. Not for several threads at once."""

    def __init__(self) -> None:
        self._library = _library()
        self._context: int | None = self._library.nft_ctx_new(0)
        if self._context is None:
            raise NftError("nft_ctx_new failed")
        self._library.nft_ctx_buffer_output(self._context)
        self._library.nft_ctx_buffer_error(self._context)
        self._library.nft_ctx_output_set_flags(self._context, _OUTPUT_JSON)

    def run(self, commands: list[Command]) -> list[dict[str, Any]]:
        """Apply `commands` in one transaction (all or nothing) and return what they list. NftError if refused."""
        if self._context is None:
            raise NftError("the context is closed")
        if not commands:
            return []
        request = msgspec.json.encode({"nftables": commands})
        failed = self._library.nft_run_cmd_from_buffer(self._context, request)
        output = self._library.nft_ctx_get_output_buffer(self._context)
        error = self._library.nft_ctx_get_error_buffer(self._context)
        if failed:
            raise NftError(error.decode(errors="replace").strip() or "refused without a reason")
        if not output:
            return []
        answer: list[dict[str, Any]] = msgspec.json.decode(output)["nftables"]
        return answer

    def close(self) -> None:
        if self._context is not None:
            self._library.nft_ctx_free(self._context)
            self._context = None
