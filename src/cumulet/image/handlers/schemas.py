"""`/v2/schemas` (Image API v2, Schemas)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oslo_config import cfg

from cumulet.image.schemas.documents import images, members, metadefs, tasks
from cumulet.image.service import ImageService
from cumulet.kernel.http import Call, Reply

DOCUMENTS: dict[str, Callable[[cfg.ConfigOpts], dict[str, Any]]] = {
    "image": images.image,
    "images": images.images,
    "member": members.member,
    "members": members.members,
    "task": tasks.task,
    "tasks": tasks.tasks,
    "metadefs/namespace": metadefs.namespace,
    "metadefs/namespaces": metadefs.namespaces,
    "metadefs/resource_type": metadefs.resource_type,
    "metadefs/resource_types": metadefs.resource_types,
    "metadefs/object": metadefs.object_,
    "metadefs/objects": metadefs.objects,
    "metadefs/property": metadefs.property_,
    "metadefs/properties": metadefs.properties,
    "metadefs/tag": metadefs.tag,
    "metadefs/tags": metadefs.tags,
}


def shower(name: str) -> Callable[[Call[ImageService]], Reply]:
    """A handler that shows one document."""

    def show(call: Call[ImageService]) -> Reply:
        return Reply(DOCUMENTS[name](call.service.conf))

    return show
