"""The request id under the name by which clients of Compute, and so those of Volume, look for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

_REQUEST_ID: Final = "x-openstack-request-id"


def with_compute_name(start_response: Callable[..., Any]) -> Callable[..., Any]:
    """A WSGI `start_response` that answers `x-openstack-request-id` also as `x-compute-request-id`."""

    def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        ids = [("x-compute-request-id", value) for name, value in headers if name.lower() == _REQUEST_ID]
        return start_response(status, [*headers, *ids], *rest)

    return start
