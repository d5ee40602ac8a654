"""`/v2/metadefs/namespaces` (Image API v2, Metadata definition namespaces)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import UNSET

from cumulet.image.bodies import read_object
from cumulet.image.domain.metadefs import namespaces
from cumulet.image.domain.metadefs.namespaces import Contents, Rules
from cumulet.image.handlers import metadef_views as views
from cumulet.image.schemas.metadefs import Namespace, parse, plain
from cumulet.image.service import ImageService
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import NO_CONTENT, Call, Reply

_URL = "/v2/metadefs/namespaces"


def index(call: Call[ImageService]) -> Reply:
    service = call.service
    rules = Rules(service, call.ctx)
    rules.check("get_metadef_namespaces")
    rules.check("list_metadef_resource_types")
    query = {name: values[-1] for name, values in call.query().items()}
    limit = min(service.conf.api_limit_max, limit_of(query) or service.conf.limit_param_default)
    visibility = query.get("visibility") or None
    if visibility not in (None, "public", "private"):
        raise BadRequest(f"Invalid visibility value: {visibility}")
    found, associations = namespaces.find(
        service,
        rules,
        visibility=visibility,
        resource_type_names=[name for name in query.get("resource_types", "").split(",") if name],
        sort_key=query.get("sort_key", "created_at"),
        descending=is_descending(query),
        limit=limit,
        marker=query.get("marker"),
    )
    listed = []
    for row in found:
        view = views.namespace(row)
        if associations.get(row.id):
            view["resource_type_associations"] = [views.association(one) for one in associations[row.id]]
        listed.append(view)
    return Reply(_collection(query, listed, limit))


def limit_of(query: dict[str, str]) -> int | None:
    """Raises BadRequest."""
    text = query.get("limit")
    if not text:
        return None
    try:
        limit = int(text)
    except ValueError:
        raise BadRequest("limit param must be an integer") from None
    if limit < 0:
        raise BadRequest("limit param must be positive")
    return limit


def is_descending(query: dict[str, str]) -> bool:
    direction = query.get("sort_dir", "desc")
    if direction not in ("asc", "desc"):
        raise BadRequest(f"Invalid sort direction: {direction}")
    return direction == "desc"


def _collection(query: dict[str, str], listed: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    plain_query = {name: value for name, value in query.items() if name != "marker"}
    body: dict[str, Any] = {
        "namespaces": listed,
        "first": _URL + (f"?{urlencode(plain_query)}" if plain_query else ""),
        "schema": "/v2/schemas/metadefs/namespaces",
    }
    if listed and len(listed) == limit:
        body["next"] = f"{_URL}?{urlencode({**plain_query, 'marker': listed[-1]['namespace']})}"
    return body


def create(call: Call[ImageService]) -> Reply:
    rules = Rules(call.service, call.ctx)
    rules.check("add_metadef_namespace")
    given = parse(read_object(call), Namespace)
    for attribute, rule in (
        (given.resource_type_associations, "add_metadef_resource_type_association"),
        (given.objects, "add_metadef_object"),
        (given.properties, "add_metadef_property"),
        (given.tags, "add_metadef_tag"),
    ):
        if attribute is not UNSET and attribute:
            rules.check(rule)
    row = namespaces.create(call.service, given, call.ctx.project_id or "")
    view = {**views.namespace(row), **_as_given(given)}
    return Reply(view, 201, {"Location": f"{call.base_url}{_URL}/{given.namespace}"})


def _as_given(given: Namespace) -> dict[str, Any]:
    """What stands in a new namespace is shown as it was given."""
    shown: dict[str, Any] = {}
    for name in ("resource_type_associations", "objects", "tags"):
        value = getattr(given, name)
        if value is not UNSET and value:
            shown[name] = msgspec.to_builtins(value)
    if given.properties is not UNSET and given.properties:
        shown["properties"] = {name: plain(value) for name, value in given.properties.items()}
    return shown


def show(call: Call[ImageService], namespace: str) -> Reply:
    row, contents = namespaces.show(call.service, Rules(call.service, call.ctx), namespace)
    resource_type = call.query().get("resource_type", [None])[-1]
    prefix = _prefix(contents, resource_type)
    view = views.namespace(row)
    if contents.resource_types:
        view["resource_type_associations"] = [views.association(one) for one in contents.resource_types]
    if contents.properties:
        view["properties"] = {prefix + name: value for name, value in contents.properties.items()}
    if contents.objects:
        view["objects"] = [views.object_(row.namespace, _prefixed(one, prefix)) for one in contents.objects]
    if contents.tags:
        view["tags"] = [{"name": tag["name"]} for tag in contents.tags]
    return Reply(view)


def _prefix(contents: Contents, resource_type: str | None) -> str:
    """What names begin with on a type of resource."""
    named = (one["prefix"] for one in contents.resource_types if one["name"] == resource_type)
    return next(named, None) or ""


def _prefixed(one: dict[str, Any], prefix: str) -> dict[str, Any]:
    if not prefix:
        return one
    properties = {prefix + name: value for name, value in (one["properties"] or {}).items()}
    required = [prefix + name for name in one["required"] or []]
    return {**one, "properties": properties or None, "required": required or None}


def update(call: Call[ImageService], namespace: str) -> Reply:
    given = parse(read_object(call), Namespace)
    row = namespaces.update(call.service, Rules(call.service, call.ctx), namespace, given)
    return Reply(views.namespace(row))


def delete(call: Call[ImageService], namespace: str) -> Reply:
    namespaces.delete(call.service, Rules(call.service, call.ctx), namespace)
    return NO_CONTENT


def delete_objects(call: Call[ImageService], namespace: str) -> Reply:
    namespaces.empty(call.service, Rules(call.service, call.ctx), namespace, "objects")
    return NO_CONTENT


def delete_properties(call: Call[ImageService], namespace: str) -> Reply:
    namespaces.empty(call.service, Rules(call.service, call.ctx), namespace, "properties")
    return NO_CONTENT


def delete_tags(call: Call[ImageService], namespace: str) -> Reply:
    namespaces.empty(call.service, Rules(call.service, call.ctx), namespace, "tags")
    return NO_CONTENT
