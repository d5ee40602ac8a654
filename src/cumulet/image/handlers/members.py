"""`/v2/images/{image_id}/members` (Image API v2, Sharing)."""

from __future__ import annotations

from typing import Any

from cumulet.image.bodies import read_json
from cumulet.image.domain import members
from cumulet.image.guards import Guard
from cumulet.image.service import ImageService
from cumulet.image.views import moment
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def _view(member: members.Member) -> dict[str, Any]:
    return {
        "member_id": member["member_id"],
        "image_id": member["image_id"],
        "status": member["status"],
        "created_at": moment(member["created_at"]),
        "updated_at": moment(member["updated_at"]),
        "schema": "/v2/schemas/member",
    }


def index(call: Call[ImageService], image_id: str) -> Reply:
    found = members.find(call.service, Guard(call.service, call.ctx), image_id)
    return Reply({"members": [_view(member) for member in found], "schema": "/v2/schemas/members"})


def create(call: Call[ImageService], image_id: str) -> Reply:
    body = read_json(call)
    if not isinstance(body, dict):
        raise BadRequest('Expected a member in the form: {"member": "image_id"}')
    if "member" not in body:
        raise BadRequest("Member to be added not specified")
    member_id = body["member"]
    if not member_id:
        raise BadRequest("Member can't be empty")
    if not isinstance(member_id, str) or len(member_id) > 255 or "\0" in member_id:
        raise BadRequest("'member' must be the id of a project: at most 255 characters")
    return Reply(_view(members.create(call.service, Guard(call.service, call.ctx), image_id, member_id)))


def show(call: Call[ImageService], image_id: str, member_id: str) -> Reply:
    return Reply(_view(members.show(call.service, Guard(call.service, call.ctx), image_id, member_id)))


def update(call: Call[ImageService], image_id: str, member_id: str) -> Reply:
    body = read_json(call)
    if not isinstance(body, dict):
        raise BadRequest('Expected a status in the form: {"status": "status"}')
    if "status" not in body:
        raise BadRequest("Status not specified")
    guard = Guard(call.service, call.ctx)
    return Reply(_view(members.update(call.service, guard, image_id, member_id, body["status"])))


def delete(call: Call[ImageService], image_id: str, member_id: str) -> Reply:
    members.delete(call.service, Guard(call.service, call.ctx), image_id, member_id)
    return NO_CONTENT
