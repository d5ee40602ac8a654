"""`/v3/OS-OAUTH1/consumers` (Identity API v3, OS-OAUTH1)."""

from __future__ import annotations

from typing import Any

from cumulet.identity import views
from cumulet.identity.domain import consumers
from cumulet.identity.schemas.oauth1 import ConsumerBody
from cumulet.identity.service import Identity
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def _view(call: Call[Identity], consumer: consumers.Consumer) -> dict[str, Any]:
    return views.with_self(call, "OS-OAUTH1/consumers", consumer)


def index(call: Call[Identity]) -> Reply:
    call.service.policy.can(call.ctx, "identity:list_consumers")
    found = [_view(call, consumer) for consumer in consumers.find(call.service)]
    return Reply(views.collection(call, "consumers", found))


def show(call: Call[Identity], consumer_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:get_consumer")
    return Reply({"consumer": _view(call, consumers.show(call.service, consumer_id))})


def create(call: Call[Identity]) -> Reply:
    call.service.policy.can(call.ctx, "identity:create_consumer")
    given, extra = views.known_and_extra(call, "consumer", ConsumerBody)
    given.pop("id", None)
    extra.pop("secret", None)
    return Reply({"consumer": _view(call, consumers.create(call.service, given, extra))}, 201)


def update(call: Call[Identity], consumer_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:update_consumer")
    given, extra = views.known_and_extra(call, "consumer", ConsumerBody)
    if "secret" in extra:
        raise BadRequest("Invalid input for field 'consumer.secret': it cannot be changed.")
    views.check_changes(given, extra, consumer_id)
    return Reply({"consumer": _view(call, consumers.update(call.service, consumer_id, given, extra))})


def delete(call: Call[Identity], consumer_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:delete_consumer")
    consumers.delete(call.service, consumer_id)
    return NO_CONTENT
