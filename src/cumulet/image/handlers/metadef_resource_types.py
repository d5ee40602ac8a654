"""`/v2/metadefs/resource_types` and `…/namespaces/{namespace}/resource_types` (Image API v2, Resource types)."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError

from cumulet.image.bodies import read_object
from cumulet.image.domain.metadefs import namespaces, resource_types
from cumulet.image.domain.metadefs.namespaces import Rules
from cumulet.image.handlers import metadef_views as views
from cumulet.image.schemas.metadefs import Association, parse
from cumulet.image.service import ImageService
from cumulet.image.views import moment
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import Conflict, Forbidden, NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def index(call: Call[ImageService]) -> Reply:
    Rules(call.service, call.ctx).check("list_metadef_resource_types")
    with call.service.db.read() as connection:
        found = resource_types.find(connection)
    listed = [
        {"name": row.name, "created_at": moment(row.created_at), "updated_at": moment(row.updated_at)} for row in found
    ]
    return Reply({"resource_types": listed})


def of_namespace(call: Call[ImageService], namespace: str) -> Reply:
    rules = Rules(call.service, call.ctx)
    with call.service.db.read() as connection:
        row = namespaces.load_readable(connection, rules, namespace)
        rules.check("list_metadef_resource_types", row)
        found = resource_types.of_namespaces(connection, [row.id]).get(row.id, [])
    return Reply({"resource_type_associations": [views.association(one) for one in found]})


def create(call: Call[ImageService], namespace: str) -> Reply:
    rules = Rules(call.service, call.ctx)
    given = parse(read_object(call), Association)
    try:
        with call.service.db.write() as connection:
            row = namespaces.load_named(connection, rules, namespace)
            rules.check("add_metadef_resource_type_association", row)
            resource_types.insert(connection, row.id, given, call.service.now())
            found = resource_types.of_namespaces(connection, [row.id])[row.id]
    except IntegrityError as error:
        if violates_unique(error):
            raise Conflict(
                f"The metadata definition resource-type association of resource-type={given.name} to "
                f"namespace={namespace} already exists."
            ) from None
        raise
    made = next(one for one in found if one["name"] == given.name)
    return Reply(views.association(made), 201)


def delete(call: Call[ImageService], namespace: str, resource_type: str) -> Reply:
    rules = Rules(call.service, call.ctx)
    with call.service.db.write() as connection:
        row = namespaces.load_named(connection, rules, namespace)
        rules.check("remove_metadef_resource_type_association", row)
        if row.protected:
            raise Forbidden(
                f"Metadata definition resource-type-association {resource_type} is protected and cannot be deleted."
            )
        if not resource_types.delete(connection, row.id, resource_type):
            raise NotFound(f"Failed to find resource type {resource_type} to delete")
    return NO_CONTENT
