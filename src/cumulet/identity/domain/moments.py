"""Times that clients set for something to end."""

from __future__ import annotations

from cumulet.kernel.clock import parse
from cumulet.kernel.errors import BadRequest

_MALFORMED = (
    "The server could not comply with the request since it is either malformed or otherwise incorrect. "
    "The client is assumed to be in error."
)


def future(text: str | None, now: int) -> int | None:
    """An `expires_at` in µs, None for none. Raises BadRequest for what is no time, or is over."""
    if text is None or text == "":
        return None
    try:
        moment = parse(text)
    except (ValueError, OverflowError):
        raise BadRequest(f"Timestamp not in expected format. {_MALFORMED}") from None
    if moment <= now:
        raise BadRequest(f"The 'expires_at' must not be before now. {_MALFORMED}")
    return moment
