"""`/v2/metadefs/namespaces/{namespace}/objects` (Image API v2, Metadata definition objects)."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError

from cumulet.image.bodies import read_object
from cumulet.image.domain.metadefs import namespaces, objects
from cumulet.image.domain.metadefs.namespaces import Rules
from cumulet.image.handlers import metadef_views as views
from cumulet.image.handlers.metadef_namespaces import is_descending, limit_of
from cumulet.image.schemas.metadefs import Object, parse
from cumulet.image.service import ImageService
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import Conflict, Forbidden, NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def _conflict(error: IntegrityError, namespace: str, name: str) -> Exception:
    if not violates_unique(error):
        return error
    return Conflict(f"A metadata definition object with name={name} already exists in namespace={namespace}.")


def index(call: Call[ImageService], namespace: str) -> Reply:
    query = {name: values[-1] for name, values in call.query().items()}
    limit = limit_of(query)
    is_descending(query)
    rules = Rules(call.service, call.ctx)
    with call.service.db.read() as connection:
        row = namespaces.load(connection, rules, namespace)
        rules.check("get_metadef_objects", row)
        found = objects.of_namespace(connection, row.id)
    listed = [views.object_(namespace, one) for one in found[:limit]]
    return Reply({"objects": listed, "schema": "v2/schemas/metadefs/objects"})


def create(call: Call[ImageService], namespace: str) -> Reply:
    rules = Rules(call.service, call.ctx)
    given = parse(read_object(call), Object)
    try:
        with call.service.db.write() as connection:
            row = namespaces.load(connection, rules, namespace, lock=True)
            rules.check("add_metadef_object", row)
            objects.insert(connection, row.id, given, call.service.now())
            made = objects.get(connection, row.id, namespace, given.name)
    except IntegrityError as error:
        raise _conflict(error, namespace, given.name) from None
    return Reply(views.made_object(namespace, made), 201)


def show(call: Call[ImageService], namespace: str, name: str) -> Reply:
    rules = Rules(call.service, call.ctx)
    with call.service.db.read() as connection:
        row = namespaces.load(connection, rules, namespace)
        rules.check("get_metadef_object", row)
        return Reply(views.object_(namespace, objects.get(connection, row.id, namespace, name)))


def update(call: Call[ImageService], namespace: str, name: str) -> Reply:
    rules = Rules(call.service, call.ctx)
    given = parse(read_object(call), Object)
    try:
        with call.service.db.write() as connection:
            row = namespaces.load(connection, rules, namespace, lock=True)
            rules.check("modify_metadef_object", row)
            objects.get(connection, row.id, namespace, name)
            objects.update(connection, row.id, name, given, call.service.now())
            changed = objects.get(connection, row.id, namespace, given.name)
    except IntegrityError as error:
        raise _conflict(error, namespace, given.name) from None
    return Reply(views.object_(namespace, changed))


def delete(call: Call[ImageService], namespace: str, name: str) -> Reply:
    rules = Rules(call.service, call.ctx)
    with call.service.db.write() as connection:
        row = namespaces.load(connection, rules, namespace, lock=True)
        rules.check("delete_metadef_object", row)
        try:
            objects.get(connection, row.id, namespace, name)
        except NotFound:
            raise NotFound(f"Could not find metadata object {name}") from None
        if row.protected:
            raise Forbidden(f"Metadata definition object {name} is protected and cannot be deleted.")
        objects.delete(connection, row.id, name)
    return NO_CONTENT
