"""Placement, as the scheduler and the agents' reports use it (Placement API)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from cumulet.compute.clients.answers import ask, content
from cumulet.kernel.client import Response, Session
from cumulet.kernel.jobs import Retry

HEADERS: Final = {"OpenStack-API-Version": "placement 1.39"}

_AGAIN_S: Final = 0.2

Amounts = dict[str, int]


def _call(session: Session, method: str, path: str, json: Any = None) -> Response:
    return ask(session, method, "placement", path, headers=HEADERS, json=json)


def candidates(
    session: Session,
    resources: Amounts,
    *,
    required: list[str],
    limit: int,
    in_tree: str | None = None,
    sample: int | None = None,
) -> dict[str, Any]:
    """`{"allocation_requests": […], "provider_summaries": {…}}`

    `sample`: so many drawn at random will do, if Placement can draw (`Prefer`, RFC 7240).
    """
    query: list[tuple[str, Any]] = [
        ("resources", ",".join(f"{name}:{amount}" for name, amount in sorted(resources.items()))),
        ("limit", limit),
    ]
    if in_tree is not None:
        query.append(("in_tree", in_tree))
    if required:
        query.append(("required", ",".join(sorted(required))))
    headers = HEADERS if sample is None else {**HEADERS, "Prefer": f"sample={sample}"}
    answer = ask(session, "GET", "placement", f"/allocation_candidates?{urlencode(query)}", headers=headers)
    found: dict[str, Any] = content(answer, "placement")
    return found


def allocations(session: Session, consumer: str) -> dict[str, Any]:
    """`{"allocations": {provider: …}, "consumer_generation"}`; empty for an unknown consumer."""
    found: dict[str, Any] = content(_call(session, "GET", f"/allocations/{consumer}"), "placement")
    return found


def claim(session: Session, consumer: str, request: dict[str, Any], *, project_id: str, user_id: str) -> bool:
    """Take what a candidate offers, in one step. False when somebody else was faster."""
    body = {
        "allocations": request["allocations"],
        "mappings": request["mappings"],
        "project_id": project_id,
        "user_id": user_id,
        "consumer_generation": None,
        "consumer_type": "INSTANCE",
    }
    answer = _call(session, "PUT", f"/allocations/{consumer}", body)
    if answer.status == 409:
        return False
    content(answer, "placement")
    return True


def release(session: Session, consumer: str) -> None:
    """Free what a server holds; nothing to free is right too."""
    answer = _call(session, "DELETE", f"/allocations/{consumer}")
    if answer.status != 404:
        content(answer, "placement")


def hand_over(session: Session, giver: str, taker: str, *, kind: str, project_id: str, user_id: str) -> None:
    """Let consumer `taker` hold what `giver` holds, and nothing else, in one step; with nothing to give all stays.

    Raises Retry when either changes meanwhile.
    """
    given = allocations(session, giver)
    if not given["allocations"]:
        return
    owner = {"project_id": project_id, "user_id": user_id}
    held = {one: {"resources": amounts["resources"]} for one, amounts in given["allocations"].items()}
    before = allocations(session, taker).get("consumer_generation")
    body = {
        taker: {"allocations": held, "consumer_generation": before, "consumer_type": kind, **owner},
        giver: {
            "allocations": {},
            "consumer_generation": given["consumer_generation"],
            "consumer_type": given.get("consumer_type", "INSTANCE"),
            **owner,
        },
    }
    answer = _call(session, "POST", "/allocations", body)
    if answer.status == 409:
        raise Retry(_AGAIN_S, "The allocations changed while they were moved.")
    content(answer, "placement")
