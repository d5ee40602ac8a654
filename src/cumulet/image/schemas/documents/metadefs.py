"""`/v2/schemas/metadefs/…`: what metadata definitions look like."""

from __future__ import annotations

from oslo_config import cfg

from cumulet.image.schemas.documents import READ_ONLY_TEXT, Document, collection, text

_TYPES = ["array", "boolean", "integer", "number", "object", "string", None]
_COUNT = {"$ref": "#/definitions/positiveInteger"}
_COUNT_OR_ZERO = {"$ref": "#/definitions/positiveIntegerDefault0"}
_NAME = {"type": "string", "maxLength": 80}


def _moment(description: str) -> Document:
    return {"type": "string", "readOnly": True, "description": description, "format": "date-time"}


def _property_fields() -> Document:
    return {
        "name": _NAME,
        "title": {"type": "string"},
        "description": {"type": "string"},
        "operators": {"type": "array", "items": {"type": "string"}},
        "type": {"type": "string", "enum": _TYPES},
        "required": {"$ref": "#/definitions/stringArray"},
        "minimum": {"type": "number"},
        "maximum": {"type": "number"},
        "maxLength": _COUNT,
        "minLength": _COUNT_OR_ZERO,
        "pattern": {"type": "string", "format": "regex"},
        "enum": {"type": "array"},
        "readonly": {"type": "boolean"},
        "default": {},
        "items": {
            "type": "object",
            "properties": {"type": {"type": "string", "enum": _TYPES}, "enum": {"type": "array"}},
        },
        "maxItems": _COUNT,
        "minItems": _COUNT_OR_ZERO,
        "uniqueItems": {"type": "boolean", "default": False},
        "additionalItems": {"type": "boolean"},
    }


def _definitions(*, with_property: bool) -> Document:
    names: Document = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
    if not with_property:
        names["minItems"] = 1
    definitions: Document = {
        "positiveInteger": {"type": "integer", "minimum": 0},
        "positiveIntegerDefault0": {"allOf": [_COUNT, {"default": 0}]},
        "stringArray": names,
    }
    if with_property:
        item = {"type": "object", "required": ["title", "type"], "properties": _property_fields()}
        definitions["property"] = {"type": "object", "additionalProperties": item}
    return definitions


def _closed(name: str, properties: Document, required: list[str], definitions: Document | None = None) -> Document:
    document: Document = {"name": name, "properties": properties, "additionalProperties": False}
    if definitions is not None:
        document["definitions"] = definitions
    return {**document, "required": required}


def _listed(name: str, document: Document) -> Document:
    """A collection: the definitions of the items stand at the top."""
    definitions = document.pop("definitions", None)
    made = collection(name, document, paged=True)
    return made if definitions is None else {**made, "definitions": definitions}


def namespace(conf: cfg.ConfigOpts) -> Document:
    plain = {"type": "string"}
    part = {"name": plain, "prefix": plain, "properties_target": plain}
    thing = {
        "name": plain,
        "description": plain,
        "required": {"$ref": "#/definitions/stringArray"},
        "properties": {"$ref": "#/definitions/property"},
    }
    properties: Document = {
        "namespace": text("The name of the namespace, which is unique", maxLength=80),
        "display_name": text("The name that people are shown", maxLength=80),
        "description": text("What the namespace is about", maxLength=500),
        "visibility": text("Who can see the namespace", enum=["public", "private"]),
        "protected": {"type": "boolean", "description": "Whether the namespace is kept from being deleted"},
        "owner": text("The project that the namespace belongs to", maxLength=255),
        "created_at": _moment("When the namespace was made"),
        "updated_at": _moment("When the namespace was last changed"),
        "schema": READ_ONLY_TEXT,
        "self": READ_ONLY_TEXT,
        "resource_type_associations": {"type": "array", "items": {"type": "object", "properties": part}},
        "properties": {"$ref": "#/definitions/property"},
        "objects": {"type": "array", "items": {"type": "object", "properties": thing}},
        "tags": {"type": "array", "items": {"type": "object", "properties": {"name": plain}}},
    }
    return _closed("namespace", properties, ["namespace"], _definitions(with_property=True))


def namespaces(conf: cfg.ConfigOpts) -> Document:
    return _listed("namespaces", namespace(conf))


def resource_type(conf: cfg.ConfigOpts) -> Document:
    properties = {
        "name": text("The type of resource, by Heat's name for it where there is one", maxLength=80),
        "prefix": text(
            "What the names of the namespace's properties begin with on this type of resource, with the separator",
            maxLength=80,
        ),
        "properties_target": text(
            "Which of a resource's sets of properties is meant, where it has several", maxLength=80
        ),
        "created_at": _moment("When the association was made"),
        "updated_at": _moment("When the association was last changed"),
    }
    return _closed("resource_type_association", properties, ["name"])


def resource_types(conf: cfg.ConfigOpts) -> Document:
    return _listed("resource_type_associations", resource_type(conf))


def object_(conf: cfg.ConfigOpts) -> Document:
    properties = {
        "name": _NAME,
        "description": {"type": "string"},
        "required": {"$ref": "#/definitions/stringArray"},
        "properties": {"$ref": "#/definitions/property"},
        "schema": READ_ONLY_TEXT,
        "self": READ_ONLY_TEXT,
        "created_at": _moment("When the object was made"),
        "updated_at": _moment("When the object was last changed"),
    }
    return _closed("object", properties, ["name"], _definitions(with_property=True))


def objects(conf: cfg.ConfigOpts) -> Document:
    return _listed("objects", object_(conf))


def property_(conf: cfg.ConfigOpts) -> Document:
    return _closed("property", _property_fields(), ["type", "title", "name"], _definitions(with_property=False))


def properties(conf: cfg.ConfigOpts) -> Document:
    """Properties are listed by their names, so that an item needs none of its own."""
    item = _closed("property", _property_fields(), ["type", "title"])
    document = collection("properties", item, paged=True)
    document["properties"]["properties"] = {"type": "object", "additionalProperties": item}
    return {**document, "definitions": _definitions(with_property=False)}


def tag(conf: cfg.ConfigOpts) -> Document:
    properties = {
        "name": _NAME,
        "created_at": _moment("When the tag was made"),
        "updated_at": _moment("When the tag was last changed"),
    }
    return _closed("tag", properties, ["name"])


def tags(conf: cfg.ConfigOpts) -> Document:
    return _listed("tags", tag(conf))
