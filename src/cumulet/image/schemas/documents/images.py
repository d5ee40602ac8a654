"""`/v2/schemas/image` and `/v2/schemas/images`."""

from __future__ import annotations

from typing import get_args

from oslo_config import cfg

from cumulet.image.schemas.documents import UUID_PATTERN, Document, collection, text
from cumulet.image.schemas.images import Status

_STATUSES = list(get_args(Status))
_LINKS = [
    {"rel": "self", "href": "{self}"},
    {"rel": "enclosure", "href": "{file}"},
    {"rel": "describedby", "href": "{schema}"},
]


def _nullable(kind: str, description: str, *, read_only: bool = False, **more: object) -> Document:
    document: Document = {"type": ["null", kind]}
    if read_only:
        document["readOnly"] = True
    return {**document, "description": description, **more}


def _locations() -> Document:
    validation = {
        "description": "Checksums of the data. On an image that is not queued they must be those it has already.",
        "type": "object",
        "writeOnly": True,
        "additionalProperties": False,
        "properties": {
            "checksum": {"type": "string", "minLength": 32, "maxLength": 32},
            "os_hash_algo": {"type": "string", "maxLength": 64},
            "os_hash_value": {"type": "string", "maxLength": 128},
        },
        "required": ["os_hash_algo", "os_hash_value"],
    }
    item = {
        "type": "object",
        "properties": {
            "url": {"type": "string", "maxLength": 255},
            "metadata": {"type": "object"},
            "validation_data": validation,
        },
        "required": ["url", "metadata"],
    }
    return {"type": "array", "items": item, "description": "Where the data of the image lies"}


def image(conf: cfg.ConfigOpts) -> Document:
    formats = conf.image_format
    properties: Document = {
        "id": text("The id of the image", pattern=UUID_PATTERN),
        "name": _nullable("string", "A name, which need not be unique", maxLength=255),
        "status": text("Where the image is in its life", readOnly=True, enum=_STATUSES),
        "visibility": text("Who can see the image", enum=["community", "public", "private", "shared"]),
        "protected": {"type": "boolean", "description": "Whether the image is kept from being deleted"},
        "os_hidden": {"type": "boolean", "description": "Whether lists leave the image out unless asked for it"},
        "checksum": _nullable("string", "The MD5 of the data", read_only=True, maxLength=32),
        "os_hash_algo": _nullable("string", "The algorithm of os_hash_value", read_only=True, maxLength=64),
        "os_hash_value": _nullable("string", "The digest of the data", read_only=True, maxLength=128),
        "owner": _nullable("string", "The project that the image belongs to", maxLength=255),
        "size": _nullable("integer", "Bytes of the data", read_only=True),
        "virtual_size": _nullable("integer", "Bytes of the disk that the data unfolds to", read_only=True),
        "container_format": _nullable("string", "What the disk is wrapped in", enum=[None, *formats.container_formats]),
        "disk_format": _nullable("string", "What kind of disk it is", enum=[None, *formats.disk_formats]),
        "created_at": text("When the image was made", readOnly=True),
        "updated_at": text("When the image was last changed", readOnly=True),
        "tags": {
            "type": "array",
            "description": "Words that the image is marked with",
            "items": {"type": "string", "maxLength": 255},
        },
        "direct_url": text("Where the data lies", readOnly=True),
        "min_ram": {"type": "integer", "description": "Memory in MB that a server needs to boot the image"},
        "min_disk": {"type": "integer", "description": "Disk in GB that a server needs to boot the image"},
        "self": text("The URL of the image", readOnly=True),
        "file": text("The URL of its data", readOnly=True),
        "stores": text("The stores that hold the data, where stores have names", readOnly=True),
        "schema": text("The URL of this document", readOnly=True),
        "locations": _locations(),
    }
    return {"name": "image", "properties": properties, "additionalProperties": {"type": "string"}, "links": _LINKS}


def images(conf: cfg.ConfigOpts) -> Document:
    return collection("images", image(conf), paged=True)
