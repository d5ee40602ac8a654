"""Other services, asked on behalf of the caller: with the caller's own token, through the catalog in it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from cumulet.compute.service import Compute
from cumulet.kernel.client import Response, Session, Unreachable
from cumulet.kernel.errors import ApiError, BadRequest, Conflict, Forbidden, NotFound, ServiceUnavailable
from cumulet.kernel.http import Call

log = logging.getLogger(__name__)
VOLUME_TYPES: Final = ("block-storage", "volumev3")
_KINDS: Mapping[int, type[ApiError]] = {
    400: BadRequest,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: Forbidden,  # how Volume says that a quota is used up
}


def endpoint(call: Call[Compute], *service_types: str) -> str:
    """The URL of the first of these types in the catalog. Raises ServiceUnavailable without one or without Identity."""
    kinds = " or ".join(service_types)
    try:
        return call.service.session.endpoint(*service_types)
    except LookupError:
        raise ServiceUnavailable(f"The catalog has no endpoint of type {kinds}.") from None
    except Unreachable as error:
        log.error("where the service of type %s is cannot be asked: %s", kinds, error)
        raise ServiceUnavailable(f"Compute cannot ask Identity where the service of type {kinds} is.") from None


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
    url = _base(call, service_type) + path
    sent = {"X-Auth-Token": call.ctx.auth_token or "", **(headers or {})}
    try:
        return call.service.env.transport.request(method, url, headers=sent, json=json)
    except Unreachable:
        raise ServiceUnavailable(f"The {service_type} service does not answer.") from None


def _base(call: Call[Compute], service_type: str) -> str:
    if service_type != "volume":
        return endpoint(call, service_type)
    endpoint(call, *VOLUME_TYPES)
    return volume_url(call.service.session, str(call.ctx.project_id))


def volume_url(session: Session, project_id: str) -> str:
    """The endpoint as the project's own members address it: it ends in the project's id. Raises LookupError."""
    base = session.endpoint(*VOLUME_TYPES)
    head, slash, last = base.rpartition("/")
    return f"{head}/{project_id}" if slash and last not in ("v3", "") and not last.startswith("v3") else base


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
