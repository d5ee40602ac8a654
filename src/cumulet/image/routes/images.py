"""Images, their data, members, tags, locations and imports."""

from __future__ import annotations

from cumulet.image.bodies import bodiless
from cumulet.image.handlers import data, images, imports, locations, members, tags
from cumulet.kernel.http import Route

_IMAGE = "/v2/images/{image_id}"

ROUTES = (
    Route("GET", "/v2/images", images.index),
    Route("POST", "/v2/images", images.create),
    Route("GET", _IMAGE, images.show),
    Route("PATCH", _IMAGE, images.update),
    Route("DELETE", _IMAGE, bodiless(images.delete)),
    Route("POST", f"{_IMAGE}/actions/deactivate", bodiless(images.deactivate)),
    Route("POST", f"{_IMAGE}/actions/reactivate", bodiless(images.reactivate)),
    Route("GET", f"{_IMAGE}/file", data.show),
    Route("PUT", f"{_IMAGE}/file", data.upload),
    Route("PUT", f"{_IMAGE}/stage", data.stage),
    Route("POST", f"{_IMAGE}/import", imports.create),
    Route("GET", f"{_IMAGE}/tasks", images.list_tasks),
    Route("GET", f"{_IMAGE}/locations", locations.index),
    Route("POST", f"{_IMAGE}/locations", locations.create),
    Route("DELETE", "/v2/stores/{store}/{image_id}", bodiless(locations.delete_from_store)),
    Route("PUT", f"{_IMAGE}/tags/{{tag}}", bodiless(tags.update)),
    Route("DELETE", f"{_IMAGE}/tags/{{tag}}", bodiless(tags.delete)),
    Route("GET", f"{_IMAGE}/members", members.index),
    Route("POST", f"{_IMAGE}/members", members.create),
    Route("GET", f"{_IMAGE}/members/{{member_id}}", members.show),
    Route("PUT", f"{_IMAGE}/members/{{member_id}}", members.update),
    Route("DELETE", f"{_IMAGE}/members/{{member_id}}", bodiless(members.delete)),
)
