"""Checks of single attribute values: each takes what the client sent and returns what is stored.

A check raises `Invalid` with the reason that ends up in `Invalid input for <attribute>. Reason: <reason>.`
"""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any

Check = Callable[[Any], Any]
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", re.ASCII)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_DEVICE = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Invalid(Exception):
    """The value is refused; the message is the reason."""


class Unconvertible(Invalid):
    """The value is not of the attribute's kind at all, which the original says in another form (`InvalidInput`)."""


def text(maximum: int | None = 255, *, minimum: int = 0) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise Invalid(f"'{value}' is not a valid string")
        if maximum is not None and len(value) > maximum:
            raise Invalid(f"'{value}' exceeds maximum length of {maximum}")
        if len(value.strip()) < minimum:
            raise Invalid("'' Blank strings are not permitted")
        if "\x00" in value:
            raise Invalid(f"{value!r} has characters that no text may have")
        return value

    return check


def plain_text(maximum: int = 255, *, minimum: int = 0) -> Check:
    """Text that is written into a host's configuration one day: no control characters, so never a second line."""
    base = text(maximum, minimum=minimum)

    def check(value: Any) -> str:
        given: str = base(value)
        if "\n" in given or "\r" in given or _UNPRINTABLE.search(given):
            raise Invalid(f"{given!r} has line breaks or control characters")
        return given

    return check


def optional(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def empty_as_none(check: Check) -> Check:
    return lambda value: None if value is None or value == "" else check(value)


def boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false", "1", "0"):
        return value.lower() in ("true", "1")
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    raise Unconvertible(f"'{value}' cannot be converted to boolean")


def integer(minimum: int | None = None, maximum: int | None = None) -> Check:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise Unconvertible(f"'{value}' is not an integer")
        try:
            number = int(value)
        except ValueError:
            raise Unconvertible(f"'{value}' is not an integer") from None
        if minimum is not None and number < minimum:
            raise Invalid(f"'{value}' is too small - must be at least '{minimum}'")
        if maximum is not None and number > maximum:
            raise Invalid(f"'{value}' is too large - must be no larger than '{maximum}'")
        return number

    return check


def one_of(values: Collection[Any]) -> Check:
    def check(value: Any) -> Any:
        if isinstance(value, list | dict) or value not in values:
            raise Invalid(f"'{value}' is not in {list(values)}")
        return value

    return check


def ip_version(value: Any) -> int:
    """4 or 6, as text too."""
    version: int = one_of((4, 6))(integer()(value))
    return version


def uuid_text(value: Any) -> str:
    try:
        if not isinstance(value, str):
            raise ValueError
        return value if str(uuid.UUID(value)).replace("-", "") == value.replace("-", "").lower() else _not_uuid(value)
    except ValueError:
        return _not_uuid(value)


def _not_uuid(value: Any) -> str:
    raise Invalid(f"'{value}' is not a valid UUID")


def list_of(check: Check, *, unique: bool = True, maximum: int = 1000) -> Check:
    def checked(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise Invalid(f"'{value}' is not a list")
        if len(value) > maximum:
            raise Invalid(f"a list of {len(value)} exceeds the maximum of {maximum}")
        items = [check(item) for item in value]
        if unique and any(item in items[:index] for index, item in enumerate(items)):
            raise Invalid(f"Duplicate items in the list: '{', '.join(str(item) for item in value)}'")
        return items

    return checked


def dictionary(keys: Mapping[str, Check], *, required: Collection[str] = ()) -> Check:
    """A dict with these keys and no others."""

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Invalid(f"'{value}' is not a dictionary")
        missing = [key for key in required if key not in value]
        unexpected = [key for key in value if key not in keys]
        if missing or unexpected:
            raise Invalid(
                f"Validation of dictionary's keys failed. Expected keys: {sorted(required)} "
                f"Provided keys: {sorted(map(str, value))}"
            )
        return {key: keys[key](item) for key, item in value.items()}

    return check


def ip_address(value: Any) -> str:
    """An address in its shortest written form."""
    if not isinstance(value, str) or "%" in value:
        raise Invalid(f"'{value}' is not a valid IP address")
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise Invalid(f"'{value}' is not a valid IP address") from None


_FIXED_IP = dictionary({"subnet_id": uuid_text, "ip_address": ip_address})


def fixed_ips(value: Any) -> list[Any]:
    """Places for a port, of which several may be any in the same subnet."""
    wishes = list_of(_FIXED_IP, unique=False)(value)
    addresses = [wish["ip_address"] for wish in wishes if "ip_address" in wish]
    for index, address in enumerate(addresses):
        if address in addresses[:index]:
            raise Invalid(f"Duplicate IP address '{address}'")
    return wishes


def subnet_cidr(value: Any) -> str:
    """The network an address with its prefix length is in; an address alone is a network of one."""
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise Unconvertible(f"{value} is not in a CIDR format") from None


def cidr(value: Any) -> str:
    """A network whose host bits are zero."""
    if not isinstance(value, str) or "/" not in value:
        raise Invalid(f"'{value}' is not a valid IP subnet")
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise Invalid(f"'{value}' is not a valid IP subnet") from None
    given = ipaddress.ip_address(value.split("/")[0])
    if given != network.network_address:
        raise Invalid(f"'{value}' isn't a recognized IP subnet cidr, '{network}' is recommended")
    return str(network)


def cidr_or_address(value: Any) -> str:
    if isinstance(value, str) and "/" in value:
        try:
            return str(ipaddress.ip_network(value, strict=False))
        except ValueError:
            raise Invalid(f"'{value}' is not a valid IP subnet") from None
    return ip_address(value)


def mac_address(value: Any) -> str:
    """Six bytes in lower case with colons; a multicast or all-zero address belongs to no port."""
    lowered = value.lower().replace("-", ":") if isinstance(value, str) else ""
    if not _MAC.fullmatch(lowered) or lowered == "00:00:00:00:00:00":
        raise Invalid(f"'{value}' is not a valid MAC address")
    return lowered


def unicast_mac(value: Any) -> str:
    lowered = mac_address(value)
    if int(lowered[:2], 16) & 1:
        raise Invalid(f"'{value}' is not a unicast MAC address")
    return lowered


def dns_name(value: Any) -> str:
    """A host name, in lower case: labels of letters, digits and hyphens (RFC 1123), perhaps several of them."""
    return _dns("host name", value, value)


def dns_domain(value: Any) -> str:
    """A domain with its final dot, in lower case."""
    if isinstance(value, str) and value and not value.endswith("."):
        raise Invalid(f"'{value}' is not a FQDN")
    return _dns("domain name", value, value)


def _dns(what: str, value: Any, shown: Any) -> str:
    if not isinstance(value, str) or len(value) > 253:
        raise Invalid(f"'{shown}' is not a valid {what}")
    lowered = value.lower()
    labels = lowered.removesuffix(".").split(".") if lowered else []
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise Invalid(f"'{shown}' is not a valid {what}")
    return lowered


def physical_network(value: Any) -> str:
    """A name that hosts map to their interfaces: letters, digits, `_`, `.`, `:` and `-`."""
    if not isinstance(value, str) or not _DEVICE.fullmatch(value):
        raise Invalid(f"'{value}' is not a valid physical network")
    return value


def json_object(value: Any) -> dict[str, Any]:
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise Invalid(f"'{value}' is not a dictionary")
    return value
