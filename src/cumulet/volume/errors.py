"""Volume's errors: those that it shares with Compute, and one of its own."""

from __future__ import annotations

from typing import Any

from cumulet.kernel import named_faults
from cumulet.kernel.errors import ApiError
from cumulet.kernel.named_faults import not_found

__all__ = ["OverLimit", "error_body", "not_found"]


class OverLimit(ApiError):
    """A quota is used up: 413, as clients of Volume expect."""

    status = 413

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"Retry-After": "0"})


def error_body(error: ApiError, request_id: str) -> dict[str, Any]:
    """As Compute's; where a quota is used up with the time to wait in it too."""
    body = named_faults.error_body(error, request_id)
    if isinstance(error, OverLimit):
        body["overLimit"]["retryAfter"] = "0"
    return body
