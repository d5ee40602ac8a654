"""Other services, asked on behalf of the caller: with the caller's own token, through the catalog in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cumulet.compute.service import Compute
from cumulet.kernel.client import Response, Unreachable
from cumulet.kernel.errors import ApiError, BadRequest, Conflict, Forbidden, NotFound, ServiceUnavailable
from cumulet.kernel.http import Call

_KINDS: Mapping[int, type[ApiError]] = {400: BadRequest, 403: Forbidden, 404: NotFound, 409: Conflict}


def endpoint(call: Call[Compute], *service_types: str) -> str:
    """The URL of the first of these types in the catalog. Raises ServiceUnavailable without one."""
    try:
        return call.service.session.endpoint(*service_types)
    except (LookupError, Unreachable):
        raise ServiceUnavailable(f"The catalog has no endpoint of type {' or '.join(service_types)}.") from None


def ask(
    call: Call[Compute],
    service_type: str,
    method: str,
    path: str,
    *,
    json: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """One call; every answer is returned. Raises ServiceUnavailable when there is none."""
    url = endpoint(call, *_TYPES.get(service_type, (service_type,))) + path
    sent = {"X-Auth-Token": call.ctx.auth_token or "", **(headers or {})}
    try:
        return call.service.env.transport.request(method, url, headers=sent, json=json)
    except Unreachable:
        raise ServiceUnavailable(f"The {service_type} service does not answer.") from None


_TYPES: Mapping[str, tuple[str, ...]] = {"volume": ("block-storage", "volumev3"), "network": ("network",)}


def require(answer: Response, *, missing: str | None = None) -> Any:
    """The decoded answer. A refusal becomes Compute's own, with the other service's sentence."""
    if answer.status < 300:
        return answer.json() if answer.body else None
    if answer.status == 404 and missing is not None:
        raise NotFound(missing)
    kind = _KINDS.get(answer.status)
    if kind is None:
        raise ServiceUnavailable(f"Another service answered with {answer.status}.")
    raise kind(message_of(answer))


def message_of(answer: Response) -> str:
    """The sentence of another service's error, whatever form it has."""
    try:
        body = answer.json()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    if isinstance(body, dict) and len(body) == 1:
        inner = next(iter(body.values()))
        if isinstance(inner, dict):
            return str(inner.get("message", ""))
    return ""
