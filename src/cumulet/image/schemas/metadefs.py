"""Bodies of `/v2/metadefs` (Image API v2, Metadata definitions)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from cumulet.image.errors import schema_mismatch
from cumulet.kernel.errors import BadRequest, Forbidden

Name = Annotated[str, Meta(max_length=80)]
Count = Annotated[int, Meta(ge=0)]
Type = Literal["array", "boolean", "integer", "number", "object", "string"]
T = TypeVar("T", bound=Struct)


class Items(Struct, omit_defaults=True, forbid_unknown_fields=True):
    type: Type | UnsetType = UNSET
    enum: list[Any] | UnsetType = UNSET


class Property(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """One property's definition: a JSON schema with a title."""

    type: Type
    title: str
    name: Name | UnsetType = UNSET
    description: str | UnsetType = UNSET
    operators: list[str] | UnsetType = UNSET
    default: Any | UnsetType = UNSET
    readonly: bool | UnsetType = UNSET
    minimum: int | float | UnsetType = UNSET
    maximum: int | float | UnsetType = UNSET
    enum: list[Any] | UnsetType = UNSET
    pattern: str | UnsetType = UNSET
    minLength: Count | UnsetType = UNSET
    maxLength: Count | UnsetType = UNSET
    items: Items | UnsetType = UNSET
    minItems: Count | UnsetType = UNSET
    maxItems: Count | UnsetType = UNSET
    uniqueItems: bool | UnsetType = UNSET
    additionalItems: bool | UnsetType = UNSET
    required: list[str] | UnsetType = UNSET


class NamedProperty(Property, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    name: Name


class Object(Struct, omit_defaults=True, forbid_unknown_fields=True):
    name: Name
    description: str | UnsetType = UNSET
    required: list[str] | UnsetType = UNSET
    properties: dict[Name, Property] | UnsetType = UNSET


class Association(Struct, omit_defaults=True, forbid_unknown_fields=True):
    name: Name
    prefix: Name | UnsetType = UNSET
    properties_target: Name | UnsetType = UNSET


class Tag(Struct, forbid_unknown_fields=True):
    name: Name


class Tags(Struct, forbid_unknown_fields=True):
    tags: list[Tag] = []


class Namespace(Struct, omit_defaults=True, forbid_unknown_fields=True):
    namespace: Name
    display_name: Name | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=500)] | UnsetType = UNSET
    visibility: Literal["public", "private"] | UnsetType = UNSET
    protected: bool | UnsetType = UNSET
    owner: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    resource_type_associations: list[Association] | UnsetType = UNSET
    properties: dict[Name, Property] | UnsetType = UNSET
    objects: list[Object] | UnsetType = UNSET
    tags: list[Tag] | UnsetType = UNSET


_KINDS: dict[type[Struct], tuple[str, tuple[str, ...]]] = {
    Namespace: ("namespace", ("self", "schema", "created_at", "updated_at")),
    Object: ("object", ("self", "schema", "created_at", "updated_at")),
    Association: ("resource_type_association", ("created_at", "updated_at")),
    NamedProperty: ("property", ("created_at", "updated_at")),
    Tag: ("tag", ("created_at", "updated_at")),
    Tags: ("tags", ("created_at", "updated_at")),
}


def parse(body: dict[str, Any], kind: type[T]) -> T:
    """Raises Forbidden for what only the service sets, BadRequest for what does not fit the schema."""
    name, read_only = _KINDS[kind]
    for attribute in read_only:
        if attribute in body:
            raise Forbidden(f"Attribute '{attribute}' is read-only.")
    _check_text(body)
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise schema_mismatch(name, str(error)) from None


def parse_tag_name(name: str) -> str:
    return parse({"name": name}, Tag).name


def plain(definition: Property) -> dict[str, Any]:
    """A definition as it is kept and shown, without its name. Numbers as defaults become text, as in the original."""
    shown: dict[str, Any] = msgspec.to_builtins(definition)
    shown.pop("name", None)
    default = shown.get("default")
    if isinstance(default, int | float) and not isinstance(default, bool):
        shown["default"] = str(default)
    return shown


def _check_text(value: Any) -> None:
    """PostgreSQL's text cannot hold the character NUL."""
    if isinstance(value, str) and "\0" in value:
        raise BadRequest("Text must not contain the character NUL.")
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_text(key)
            _check_text(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_text(inner)
