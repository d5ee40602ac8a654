"""What another service's answer means to a job: its content, a refusal for good, or a reason to try again."""

from __future__ import annotations

from typing import Any

from cumulet.compute.peers import message_of
from cumulet.kernel.client import Response, Session, Unreachable
from cumulet.kernel.jobs import GiveUp, Retry

_AGAIN_S = 1.0


def ask(session: Session, method: str, service: str, path: str, **rest: Any) -> Response:
    """One call. Raises Retry while the service does not answer or is broken."""
    try:
        answer = session.request(method, service, path, **rest)
    except (Unreachable, LookupError) as error:
        raise Retry(_AGAIN_S, f"The {service} service does not answer: {error}") from None
    if answer.status >= 500 or answer.status == 429:
        raise Retry(_AGAIN_S, f"The {service} service answered {answer.status} to {method} {path.partition('?')[0]}.")
    return answer


def content(answer: Response, service: str) -> Any:
    """The decoded answer. Raises GiveUp with the other service's sentence when it refused."""
    if answer.status >= 300:
        raise GiveUp(f"The {service} service refused with {answer.status}: {message_of(answer)}".rstrip(": "))
    return answer.json() if answer.body else None
