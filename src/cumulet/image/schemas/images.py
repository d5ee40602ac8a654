"""Bodies of `POST /v2/images` and attributes in `PATCH /v2/images/{id}` (Image API v2, Images)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from oslo_config import cfg

from cumulet.image.errors import schema_mismatch
from cumulet.kernel.errors import Forbidden

RESERVED_NAMESPACE = "os_glance"
READ_ONLY = (
    "created_at",
    "updated_at",
    "status",
    "checksum",
    "size",
    "virtual_size",
    "direct_url",
    "self",
    "file",
    "schema",
    "id",
    "os_hash_algo",
    "os_hash_value",
)
_LINKS = ("direct_url", "self", "file", "schema", "stores")  # never settable, not even at creation
_DIGESTS = ("os_hash_algo", "os_hash_value")  # passed over at creation, as the original does
_RESERVED = ("location", "locations", "deleted", "deleted_at")
_UUID = re.compile("^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$")
_MAX_INTEGER = (1 << 31) - 1

Name = Annotated[str, Meta(max_length=255)]
Tag = Annotated[str, Meta(max_length=255)]
Status = Literal[
    "queued", "saving", "active", "killed", "deleted", "uploading", "importing", "pending_delete", "deactivated"
]
Megabytes = Annotated[int, Meta(le=_MAX_INTEGER)]


class Attributes(Struct):
    """The attributes that a client may set; every other member of the body is a property."""

    id: str | UnsetType = UNSET
    name: Name | UnsetType | None = UNSET
    visibility: str | UnsetType = UNSET
    protected: bool | UnsetType = UNSET
    os_hidden: bool | UnsetType = UNSET
    owner: Name | UnsetType | None = UNSET
    container_format: str | UnsetType | None = UNSET
    disk_format: str | UnsetType | None = UNSET
    min_ram: Megabytes | UnsetType = UNSET
    min_disk: Megabytes | UnsetType = UNSET
    tags: list[Tag] | UnsetType = UNSET


class _Computed(Struct):
    """The attributes that only the service sets. In a body they are checked like all others before they are refused."""

    created_at: str | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    checksum: Annotated[str, Meta(max_length=32)] | UnsetType | None = UNSET
    size: int | UnsetType | None = UNSET
    virtual_size: int | UnsetType | None = UNSET
    os_hash_algo: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET
    os_hash_value: Annotated[str, Meta(max_length=128)] | UnsetType | None = UNSET


ATTRIBUTES = Attributes.__struct_fields__
_COMPUTED = frozenset(_Computed.__struct_fields__)
_VISIBILITIES = ("community", "public", "private", "shared")
_AT = re.compile(r"^(.*) - at `\$\.?(.*)`$")


class ImageSchema:
    """Checks attributes and properties. The formats allowed are the operator's ([image_format])."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.disk_formats: list[str] = conf.image_format.disk_formats
        self.container_formats: list[str] = conf.image_format.container_formats

    def new(self, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """(attributes given, properties) of a body. Raises Forbidden for what a client may not set, BadRequest."""
        for name in _LINKS:
            if name in body:
                raise Forbidden(f"Attribute '{name}' is read-only.")
        attributes = self.attributes({name: value for name, value in body.items() if name in ATTRIBUTES})
        computed = {name: value for name, value in body.items() if name in _COMPUTED}
        if computed:
            _refuse_computed(computed)
        properties = {name: value for name, value in body.items() if name not in ATTRIBUTES and name not in _COMPUTED}
        for name, value in properties.items():
            if name != "locations":  # a list, which is refused whatever it holds
                check_property(name, value)
        for name in properties:
            check_property_name(name)
        return attributes, properties

    def attributes(self, given: dict[str, Any]) -> dict[str, Any]:
        """Attributes as the columns hold them. Raises BadRequest naming the one that is wrong."""
        try:
            checked = msgspec.convert(given, Attributes)
        except msgspec.ValidationError as error:
            raise schema_mismatch("image", _explain(str(error))) from None
        values = {name: getattr(checked, name) for name in given}
        self._one_of(values, "visibility", _VISIBILITIES)
        self._one_of(values, "disk_format", [None, *self.disk_formats])
        self._one_of(values, "container_format", [None, *self.container_formats])
        if "id" in values and not _UUID.match(values["id"]):
            raise schema_mismatch("image", f"'{values['id']}' does not match '{_UUID.pattern}' in 'id'")
        for name in ("min_ram", "min_disk"):
            if values.get(name, 0) < 0:
                raise schema_mismatch("image", f"Cannot be a negative value: '{name}' is {values[name]}")
        if "tags" in values:
            values["tags"] = list(dict.fromkeys(values["tags"]))
        _check_text(values)
        return values

    def _one_of(self, values: dict[str, Any], name: str, allowed: Any) -> None:
        if name in values and values[name] not in allowed:
            raise schema_mismatch("image", f"'{values[name]}' is not one of {list(allowed)} in '{name}'")


def _refuse_computed(given: dict[str, Any]) -> None:
    """Raises BadRequest for a value that such an attribute never has, Forbidden for all but the digests."""
    try:
        msgspec.convert(given, _Computed)
    except msgspec.ValidationError as error:
        raise schema_mismatch("image", _explain(str(error))) from None
    for name in given:
        if name not in _DIGESTS:
            raise Forbidden(f"Attribute '{name}' is read-only.")


def check_property_name(name: str) -> None:
    """Raises Forbidden for a name that is the service's own, BadRequest for one too long."""
    if name in _RESERVED or name.startswith(RESERVED_NAMESPACE):
        raise Forbidden(f"Attribute '{name}' is reserved.")
    if len(name) > 255:
        raise schema_mismatch("image", "Custom property should not be greater than 255 characters.")
    _check_text({"property name": name})


def check_property(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise schema_mismatch("image", f"{value!r} is not of type 'string' in '{name}'")
    _check_text({name: value})


def _check_text(values: dict[str, Any]) -> None:
    """PostgreSQL's text cannot hold the character NUL, so no database is given one."""
    for name, value in values.items():
        parts = value if isinstance(value, list) else [value]
        if any(isinstance(part, str) and "\0" in part for part in parts):
            raise schema_mismatch("image", f"'{name}' contains a NUL character")


def _explain(message: str) -> str:
    match = _AT.match(message)
    return f"{match[1]} in '{match[2]}'" if match and match[2] else message
