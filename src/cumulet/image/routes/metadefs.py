"""Metadata definitions."""

from __future__ import annotations

from cumulet.image.bodies import bodiless
from cumulet.image.handlers import (
    metadef_namespaces,
    metadef_objects,
    metadef_properties,
    metadef_resource_types,
    metadef_tags,
)
from cumulet.kernel.http import Route

_ALL = "/v2/metadefs/namespaces"
_ONE = f"{_ALL}/{{namespace}}"

ROUTES = (
    Route("GET", "/v2/metadefs/resource_types", metadef_resource_types.index),
    Route("GET", _ALL, metadef_namespaces.index),
    Route("POST", _ALL, metadef_namespaces.create),
    Route("GET", _ONE, metadef_namespaces.show),
    Route("PUT", _ONE, metadef_namespaces.update),
    Route("DELETE", _ONE, bodiless(metadef_namespaces.delete)),
    Route("GET", f"{_ONE}/resource_types", metadef_resource_types.of_namespace),
    Route("POST", f"{_ONE}/resource_types", metadef_resource_types.create),
    Route("DELETE", f"{_ONE}/resource_types/{{resource_type}}", bodiless(metadef_resource_types.delete)),
    Route("GET", f"{_ONE}/properties", metadef_properties.index),
    Route("POST", f"{_ONE}/properties", metadef_properties.create),
    Route("DELETE", f"{_ONE}/properties", bodiless(metadef_namespaces.delete_properties)),
    Route("GET", f"{_ONE}/properties/{{name}}", metadef_properties.show),
    Route("PUT", f"{_ONE}/properties/{{name}}", metadef_properties.update),
    Route("DELETE", f"{_ONE}/properties/{{name}}", bodiless(metadef_properties.delete)),
    Route("GET", f"{_ONE}/objects", metadef_objects.index),
    Route("POST", f"{_ONE}/objects", metadef_objects.create),
    Route("DELETE", f"{_ONE}/objects", bodiless(metadef_namespaces.delete_objects)),
    Route("GET", f"{_ONE}/objects/{{name}}", metadef_objects.show),
    Route("PUT", f"{_ONE}/objects/{{name}}", metadef_objects.update),
    Route("DELETE", f"{_ONE}/objects/{{name}}", bodiless(metadef_objects.delete)),
    Route("GET", f"{_ONE}/tags", metadef_tags.index),
    Route("POST", f"{_ONE}/tags", metadef_tags.create_many),
    Route("DELETE", f"{_ONE}/tags", bodiless(metadef_namespaces.delete_tags)),
    Route("GET", f"{_ONE}/tags/{{tag}}", metadef_tags.show),
    Route("POST", f"{_ONE}/tags/{{tag}}", bodiless(metadef_tags.create)),
    Route("PUT", f"{_ONE}/tags/{{tag}}", metadef_tags.update),
    Route("DELETE", f"{_ONE}/tags/{{tag}}", bodiless(metadef_tags.delete)),
)
