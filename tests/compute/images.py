"""An Image of a few lines: images in a dictionary, with the answers that Compute reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import falcon

IMAGE_ID = "11111111-1111-4111-8111-111111111111"


class Images:
    def __init__(self) -> None:
        base = {"status": "active", "min_ram": 64, "min_disk": 0, "size": 1 << 20, "disk_format": "raw"}
        self.images: dict[str, dict[str, Any]] = {IMAGE_ID: {"id": IMAGE_ID, **base, "hw_disk_bus": "virtio"}}
        self.app = falcon.App()
        self.app.add_route("/v2/images", self)
        self.app.add_route("/v2/images/{image_id}", self, suffix="one")
        self.app.add_route("/v2/images/{image_id}/file", self, suffix="data")

    def upload(self, image_id: str, content_of: Callable[[str], bytes]) -> None:
        """What a host does with its disk."""
        if image_id not in self.images:
            raise RuntimeError(f"Image answered 404 when asked for image {image_id}")
        data = content_of(self.images[image_id]["disk_format"])
        self.images[image_id] |= {"status": "active", "size": len(data)}

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        wanted = {key: req.get_param(key) for key in ("image_type", "backup_type", "instance_uuid")}
        found = [
            one for one in self.images.values() if all(one.get(key) == value for key, value in wanted.items() if value)
        ]
        resp.media = {"images": found[::-1]}

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        image = {"id": str(uuid4()), "status": "queued", **req.media}
        self.images[image["id"]] = image
        resp.status, resp.media = 201, image

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        if image_id not in self.images:
            raise falcon.HTTPNotFound
        resp.media = self.images[image_id]

    def on_put_data(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        self.images[image_id] |= {"status": "active", "size": len(req.stream.read())}
        resp.status = 204

    def on_delete_one(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        if self.images.pop(image_id, None) is None:
            raise falcon.HTTPNotFound
        resp.status = 204
