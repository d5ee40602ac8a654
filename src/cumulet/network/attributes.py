"""What a resource's attributes are: who may set them when, what they are without being set, how they are checked.

Neutron's API is one grammar for many nouns; this module is that grammar's reading side. A noun declares a mapping of
attribute name to `Attribute`, and `creations()` / `changes()` turn a request body into checked values, with the
original's sentences for what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cumulet.kernel.context import Context
from cumulet.network.checks import Check, Invalid, Unconvertible, optional, text, uuid_text
from cumulet.network.errors import bad_request, invalid_input

REQUIRED: Final = object()
UNSET: Final = object()
"""Default of an attribute that the domain decides when the client said nothing."""


@dataclass(frozen=True)
class Attribute:
    """One attribute. `default`: a value, a callable, REQUIRED or UNSET (the key is then absent from the values).

    `guarded`: giving it asks the rule `create_<resource>:<name>` or `update_<resource>:<name>`; `secret`: showing it
    asks `get_<resource>:<name>`. `filter`: whether lists may be filtered by it.
    """

    check: Check
    default: Any = REQUIRED
    post: bool = True
    put: bool = True
    guarded: bool = False
    secret: bool = False
    filter: bool = True
    sort: bool = True


def read_only(**rest: Any) -> Attribute:
    """An attribute that only the service sets."""
    return Attribute(lambda value: value, default=UNSET, post=False, put=False, **rest)


ID = {"id": read_only()}
PROJECT = {
    "project_id": Attribute(optional(text(255)), default=UNSET, put=False),
    "tenant_id": Attribute(optional(text(255)), default=UNSET, put=False),
}
NAME = {"name": Attribute(text(255), default="")}
STANDARD = {
    "description": Attribute(text(255), default=""),
    "created_at": read_only(),
    "updated_at": read_only(),
    "revision_number": read_only(),
}
TAGS = {"tags": read_only(sort=False, filter=False)}
UUID = Attribute(uuid_text, put=False)

Values = dict[str, Any]


def single(body: Any, name: str) -> Values:
    """The object under `name` of a body. Raises BadRequest."""
    if not isinstance(body, dict):
        raise bad_request("Body contains invalid data")
    if name not in body:
        raise bad_request(f"Unable to find '{name}' in request body")
    value = body[name]
    if not isinstance(value, dict):
        raise bad_request("Body contains invalid data")
    return value


def creations(
    body: Any, name: str, plural: str, attributes: Mapping[str, Attribute], ctx: Context
) -> tuple[list[Values], list[frozenset[str]], bool]:
    """A POST body as (values of each resource, the names its client gave, whether it was a bulk request)."""
    if not isinstance(body, dict):
        raise bad_request("Body contains invalid data")
    bulk = plural in body and name not in body
    if bulk:
        items = body[plural]
        if not isinstance(items, list) or not items:
            raise bad_request("Resources required")
    else:
        items = [single(body, name)]
    values, given = [], []
    for item in items:
        inner = item.get(name, item) if bulk and isinstance(item, dict) and set(item) == {name} else item
        if not isinstance(inner, dict):
            raise bad_request("Body contains invalid data")
        values.append(creation(inner, attributes, ctx))
        given.append(frozenset(inner))
    return values, given, bulk


def creation(given: Values, attributes: Mapping[str, Attribute], ctx: Context) -> Values:
    """One resource's values with defaults filled in. Raises BadRequest naming the attribute."""
    _refuse_unknown(given, attributes)
    values: Values = {}
    for key, attribute in attributes.items():
        if key in given:
            if not attribute.post:
                raise bad_request(f"Attribute '{key}' not allowed in POST")
            values[key] = _checked(key, attribute, given[key])
        elif attribute.default is REQUIRED:
            raise bad_request(f"Failed to parse request. Required attribute '{key}' not specified")
        elif attribute.default is not UNSET:
            values[key] = attribute.default() if callable(attribute.default) else attribute.default
    if "project_id" in attributes:
        values["project_id"] = _owner(values, ctx)
        values.pop("tenant_id", None)
    return values


def _owner(values: Values, ctx: Context) -> str:
    project, tenant = values.get("project_id"), values.get("tenant_id")
    if project and tenant and project != tenant:
        raise bad_request("'project_id' and 'tenant_id' do not match")
    owner = project or tenant
    if owner and owner != ctx.project_id and not ctx.is_admin and "service" not in ctx.roles:
        raise bad_request(
            "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin "
            "privileges"
        )
    return owner or ctx.project_id or ""


def changes(body: Any, name: str, attributes: Mapping[str, Attribute]) -> Values:
    """A PUT body's checked values: only what the client gave. Raises BadRequest naming the attribute."""
    given = single(body, name)
    _refuse_unknown(given, attributes)
    values: Values = {}
    for key, value in given.items():
        attribute = attributes[key]
        if not attribute.put:
            raise bad_request(f"Cannot update read-only attribute {key}")
        values[key] = _checked(key, attribute, value)
    return values


def _refuse_unknown(given: Values, attributes: Mapping[str, Attribute]) -> None:
    unknown = [key for key in given if key not in attributes]
    if unknown:
        raise bad_request(f"Unrecognized attribute(s) '{', '.join(sorted(map(str, unknown)))}'")


def _checked(key: str, attribute: Attribute, value: Any) -> Any:
    try:
        return attribute.check(value)
    except Unconvertible as invalid:
        raise invalid_input(str(invalid)) from None
    except Invalid as invalid:
        raise bad_request(f"Invalid input for {key}. Reason: {invalid}.") from None


def guarded_names(attributes: Mapping[str, Attribute], given: frozenset[str]) -> list[str]:
    """The attributes among `given` whose giving asks a rule of its own, in a stable order."""
    return sorted(key for key in given if key in attributes and attributes[key].guarded)
