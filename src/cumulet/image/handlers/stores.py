"""`/v2/info`: import methods, stores, and usage (Image API v2, Discovery)."""

from __future__ import annotations

from typing import Any

from cumulet.image.domain import quotas
from cumulet.image.service import ImageService
from cumulet.kernel.errors import NotFound
from cumulet.kernel.http import Call, Reply


def import_methods(call: Call[ImageService]) -> Reply:
    methods = {
        "description": "Import methods available.",
        "type": "array",
        "value": call.service.conf.enabled_import_methods,
    }
    return Reply({"import-methods": methods})


def index(call: Call[ImageService]) -> Reply:
    return Reply({"stores": _listed(call)})


def _listed(call: Call[ImageService]) -> list[dict[str, Any]]:
    stores = call.service.stores
    if not stores.multiple:
        raise NotFound("Multi backend is not supported at this site.")
    views = []
    for name, store in stores.by_name.items():
        view: dict[str, Any] = {"id": name}
        if store.description:
            view["description"] = store.description
        if name == stores.default:
            view["default"] = "true"
        if store.read_only:
            view["read-only"] = "true"
        views.append(view)
    return views


def details(call: Call[ImageService]) -> Reply:
    listed = _listed(call)
    call.service.policy.can(call.ctx, "stores_info_detail")
    for view in listed:
        store = call.service.stores.by_name[view["id"]]
        view["type"] = store.kind
        view["properties"] = store.properties()
        view["weight"] = store.weight
    return Reply({"stores": listed})


def usage(call: Call[ImageService]) -> Reply:
    return Reply({"usage": quotas.usage(call.service, call.ctx.project_id or "")})
