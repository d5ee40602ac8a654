"""`/v2/metadefs/namespaces/{namespace}/properties` (Image API v2, Metadata definition properties)."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.image.bodies import read_object
from cumulet.image.domain.metadefs import namespaces, properties, resource_types
from cumulet.image.domain.metadefs.namespaces import Rules
from cumulet.image.schemas.metadefs import NamedProperty, parse, plain
from cumulet.image.service import ImageService
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import Conflict, Forbidden, NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def _conflict(error: IntegrityError, namespace: str, name: str) -> Exception:
    if not violates_unique(error):
        return error
    return Conflict(f"A metadata definition property with name={name} already exists in namespace={namespace}.")


def index(call: Call[ImageService], namespace: str) -> Reply:
    rules = Rules(call.service, call.ctx)
    with call.service.db.read() as connection:
        row = namespaces.load_readable(connection, rules, namespace)
        rules.check("get_metadef_properties", row)
        return Reply({"properties": properties.of_namespace(connection, row.id)})


def create(call: Call[ImageService], namespace: str) -> Reply:
    rules = Rules(call.service, call.ctx)
    given = parse(read_object(call), NamedProperty)
    try:
        with call.service.db.write() as connection:
            row = namespaces.load_named(connection, rules, namespace)
            rules.check("add_metadef_property", row)
            properties.insert(connection, row.id, given.name, given, call.service.now())
    except IntegrityError as error:
        raise _conflict(error, namespace, given.name) from None
    return Reply({"name": given.name, **plain(given)}, 201)


def show(call: Call[ImageService], namespace: str, name: str) -> Reply:
    rules = Rules(call.service, call.ctx)
    resource_type = call.query().get("resource_type", [""])[-1]
    with call.service.db.read() as connection:
        row = namespaces.load_readable(connection, rules, namespace)
        rules.check("get_metadef_property", row)
        if resource_type:
            rules.check("get_metadef_resource_type", row)
            name = _without_prefix(connection, row, resource_type, name)
        return Reply({"name": name, **properties.get(connection, row.id, namespace, name)})


def _without_prefix(connection: Connection, row: Row[Any], resource_type: str, name: str) -> str:
    """The property that a prefixed name means on a type of resource. Raises NotFound."""
    found = resource_types.of_namespaces(connection, [row.id]).get(row.id, [])
    association = next((one for one in found if one["name"] == resource_type), None)
    if association is None:
        raise NotFound(
            f"The metadata definition resource-type association of resource-type={resource_type} to "
            f"namespace={row.namespace}, was not found."
        )
    prefix = association["prefix"]
    if not prefix or not name.startswith(prefix):
        raise NotFound(
            f"Property {name} does not start with the expected resource type association prefix of '{prefix}'."
        )
    return name[len(prefix) :]


def update(call: Call[ImageService], namespace: str, name: str) -> Reply:
    rules = Rules(call.service, call.ctx)
    given = parse(read_object(call), NamedProperty)
    try:
        with call.service.db.write() as connection:
            row = namespaces.load_named(connection, rules, namespace)
            rules.check("modify_metadef_property", row)
            properties.get(connection, row.id, namespace, name)
            properties.update(connection, row.id, name, given.name, given, call.service.now())
    except IntegrityError as error:
        raise _conflict(error, namespace, given.name) from None
    return Reply({"name": given.name, **plain(given)})


def delete(call: Call[ImageService], namespace: str, name: str) -> Reply:
    rules = Rules(call.service, call.ctx)
    with call.service.db.write() as connection:
        row = namespaces.load_named(connection, rules, namespace)
        rules.check("remove_metadef_property", row)
        properties.get(connection, row.id, namespace, name)
        if row.protected:
            raise Forbidden(f"Metadata definition property {name} is protected and cannot be deleted.")
        properties.delete(connection, row.id, name)
    return NO_CONTENT
