"""`/v2/metadefs/namespaces/{namespace}/tags` (Image API v2, Metadata definition tags)."""

from __future__ import annotations

from oslo_utils import strutils

from cumulet.image.bodies import read_object
from cumulet.image.domain.metadefs import namespaces, tags
from cumulet.image.domain.metadefs.namespaces import Rules
from cumulet.image.handlers import metadef_views as views
from cumulet.image.handlers.metadef_namespaces import is_descending, limit_of
from cumulet.image.schemas.metadefs import Tag, Tags, parse, parse_tag_name
from cumulet.image.service import ImageService
from cumulet.kernel.errors import Conflict, Forbidden
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def index(call: Call[ImageService], namespace: str) -> Reply:
    rules = Rules(call.service, call.ctx)
    query = {name: values[-1] for name, values in call.query().items()}
    with call.service.db.read() as connection:
        row = namespaces.load_readable(connection, rules, namespace)
        rules.check("get_metadef_tags", row)
        found = tags.find(
            connection,
            row.id,
            namespace,
            sort_key=query.get("sort_key", "created_at"),
            descending=is_descending(query),
            limit=limit_of(query),
            marker=query.get("marker") or None,
        )
    return Reply({"tags": [{"name": tag["name"]} for tag in found]})


def create_many(call: Call[ImageService], namespace: str) -> Reply:
    """Replace the tags of a namespace, or add to them with `X-Openstack-Append: true`."""
    rules = Rules(call.service, call.ctx)
    names = [tag.name for tag in parse(read_object(call), Tags).tags]
    if len({name.lower() for name in names}) != len(names):
        raise Conflict(f"A metadata tag is given twice for namespace={namespace}.")
    append = strutils.bool_from_string(call.header("X-Openstack-Append") or "")
    now = call.service.now()
    with call.service.db.write() as connection:
        row = namespaces.load_named(connection, rules, namespace)
        rules.check("add_metadef_tags", row)
        if not append:
            tags.delete_all(connection, row.id)
        for name in names:
            if append:
                tags.check_free(connection, row.id, namespace, name)
            tags.insert(connection, row.id, name, now)
    return Reply({"tags": [{"name": name} for name in names]}, 201)


def create(call: Call[ImageService], namespace: str, tag: str) -> Reply:
    rules = Rules(call.service, call.ctx)
    name = parse_tag_name(tag)
    with call.service.db.write() as connection:
        row = namespaces.load_named(connection, rules, namespace)
        rules.check("add_metadef_tag", row)
        tags.check_free(connection, row.id, namespace, name)
        tags.insert(connection, row.id, name, call.service.now())
        return Reply(views.tag(tags.get(connection, row.id, namespace, name)), 201)


def show(call: Call[ImageService], namespace: str, tag: str) -> Reply:
    rules = Rules(call.service, call.ctx)
    with call.service.db.read() as connection:
        row = namespaces.load_readable(connection, rules, namespace)
        rules.check("get_metadef_tag", row)
        return Reply(views.tag(tags.get(connection, row.id, namespace, tag)))


def update(call: Call[ImageService], namespace: str, tag: str) -> Reply:
    rules = Rules(call.service, call.ctx)
    new_name = parse(read_object(call), Tag).name
    with call.service.db.write() as connection:
        row = namespaces.load_named(connection, rules, namespace)
        rules.check("modify_metadef_tag", row)
        tags.get(connection, row.id, namespace, tag)
        if new_name.lower() != tag.lower():
            tags.check_free(connection, row.id, namespace, new_name)
        tags.rename(connection, row.id, tag, new_name, call.service.now())
        return Reply(views.tag(tags.get(connection, row.id, namespace, new_name)))


def delete(call: Call[ImageService], namespace: str, tag: str) -> Reply:
    rules = Rules(call.service, call.ctx)
    with call.service.db.write() as connection:
        row = namespaces.load_named(connection, rules, namespace)
        rules.check("delete_metadef_tag", row)
        tags.get(connection, row.id, namespace, tag)
        if row.protected:
            raise Forbidden(f"Metadata definition tag {tag} is protected and cannot be deleted.")
        tags.delete(connection, row.id, tag)
    return NO_CONTENT
