"""The little languages in query values: `VCPU:2,MEMORY_MB:512`, `in:A,B`, `!C`, `in:<uuid>,<uuid>`, `!in:…`.

Each function takes values as they came and raises BadRequest that quotes what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.microversions import Version
from cumulet.placement.schemas.base import is_uuid

_FORBIDDEN_TRAITS_SINCE = (1, 22)
_SEVERAL_MEMBER_OF_SINCE = (1, 24)
_FORBIDDEN_AGGREGATES_SINCE = (1, 32)
_ANY_TRAITS_SINCE = (1, 39)
_RESOURCES_FORM = (
    "Badly formed resources parameter. Expected resources query string parameter in form: "
    "?resources=VCPU:2,MEMORY_MB:1024. Got: {got}."
)
_INVALID = "Invalid query string parameters: "

AnyOf = frozenset[str]


def refuse_unknown(keys: AbstractSet[str]) -> None:
    """Raises BadRequest if there are any: keys that a query may not have."""
    if keys:
        names = ", ".join(f"'{key}'" for key in sorted(keys))
        verb = "was" if len(keys) == 1 else "were"
        raise BadRequest(
            f"Invalid query string parameters: Additional properties are not allowed ({names} {verb} unexpected)"
        )


def resources(text: str) -> dict[str, int]:
    """`VCPU:2,MEMORY_MB:512` as a dict of amounts."""
    if not text.strip():
        raise BadRequest(_RESOURCES_FORM.format(got="empty string"))
    wanted: dict[str, int] = {}
    for part in text.split(","):
        name, separator, amount = part.partition(":")
        if not separator or ":" in amount:
            raise BadRequest(_RESOURCES_FORM.format(got=part))
        wanted[name] = _amount(name, amount)
    return wanted


def _amount(name: str, text: str) -> int:
    try:
        amount = int(text)
    except ValueError:
        raise BadRequest(f"Requested resource {name} expected positive integer amount. Got: {text}.") from None
    if amount < 1:
        raise BadRequest(f"Requested resource {name} requires amount >= 1. Got: {amount}.")
    return amount


def traits(values: Sequence[str], version: Version) -> tuple[tuple[AnyOf, ...], frozenset[str]]:
    """`required` values as (sets of which one trait each must be there, traits that must not be there)."""
    if version < _ANY_TRAITS_SINCE:
        values = values[-1:]  # repeating the key had no meaning yet: the last one counted
    required: list[AnyOf] = []
    forbidden: set[str] = set()
    for value in values:
        if value.startswith("in:"):
            required.append(_any_of(value, version))
        else:
            wanted, unwanted = _each(value, version)
            required += (frozenset((name,)) for name in wanted)
            forbidden |= unwanted
    return tuple(required), frozenset(forbidden)


def _any_of(value: str, version: Version) -> AnyOf:
    form = f"{_INVALID}The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC'"
    if version < _ANY_TRAITS_SINCE:
        raise BadRequest(f"{form} only supported since microversion 1.39. Got: {value}")
    names = frozenset(name.strip() for name in value.removeprefix("in:").split(","))
    if "" in names:
        raise BadRequest(
            f"{_INVALID}Expected 'required' parameter value of the form: in:HW_CPU_X86_VMX,CUSTOM_MAGIC. Got an empty "
            f"trait in: {value}"
        )
    if any(name.startswith("!") for name in names):
        raise BadRequest(f"{form} does not support forbidden traits. Got: {value}")
    return names


def _each(value: str, version: Version) -> tuple[list[str], set[str]]:
    allowed = version >= _FORBIDDEN_TRAITS_SINCE
    names = [name.strip() for name in value.split(",")]
    unwanted = {name.lstrip("!") for name in names if name.startswith("!")}
    if "" in names or "" in unwanted:
        form = "HW_CPU_X86_VMX,!CUSTOM_MAGIC" if allowed else "HW_CPU_X86_VMX,CUSTOM_MAGIC"
        raise BadRequest(
            f"{_INVALID}Expected 'required' parameter value of the form: {form}. Got an empty trait in: {value}"
        )
    if unwanted and not allowed:
        raise BadRequest(
            f"{_INVALID}Expected 'required' parameter value of the form: HW_CPU_X86_VMX,CUSTOM_MAGIC. Got: {value}"
        )
    return [name for name in names if not name.startswith("!")], unwanted


def aggregates(values: Sequence[str], version: Version, suffix: str = "") -> tuple[tuple[AnyOf, ...], frozenset[str]]:
    """`member_of` values as (sets of which one aggregate each must be there, aggregates that must not be there)."""
    if len(values) > 1 and version < _SEVERAL_MEMBER_OF_SINCE:
        raise BadRequest(f"Multiple member_of{suffix} parameters are not supported")
    required: list[AnyOf] = []
    forbidden: set[str] = set()
    for value in values:
        wanted, unwanted = _member_of(value)
        if wanted:
            required.append(wanted)
        if unwanted and version < _FORBIDDEN_AGGREGATES_SINCE:
            raise BadRequest(f"Forbidden member_of{suffix} parameters are not supported in the specified microversion")
        forbidden |= unwanted
    return tuple(required), frozenset(forbidden)


def _member_of(value: str) -> tuple[AnyOf, AnyOf]:
    several = value.startswith(("in:", "!in:"))
    if "," in value and not several:
        raise BadRequest(
            "Multiple values for 'member_of' must be prefixed with the 'in:' or '!in:' keyword using the valid "
            f"microversion. Got: {value}"
        )
    forbidden = value.startswith("!")
    text = value.removeprefix("!").removeprefix("in:") if several else value.removeprefix("!")
    uuids = frozenset(text.split(",")) if several else frozenset((text,))
    for uuid in sorted(uuids):
        if not is_uuid(uuid):
            raise BadRequest(f"{_INVALID}Expected 'member_of' parameter to contain valid UUID(s). Got: {uuid}")
    return (frozenset(), uuids) if forbidden else (uuids, frozenset())


def provider_uuid(text: str, key: str) -> str:
    uuid = text.strip()
    if not is_uuid(uuid):
        raise BadRequest(f"{_INVALID}Expected '{key}' parameter to be a format of uuid. Got: {text}")
    return uuid
