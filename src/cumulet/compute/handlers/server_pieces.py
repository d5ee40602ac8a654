"""The parts of a shown server that many servers, or many requests, have in common: rendered once, as JSON.

Each function depends on nothing but its arguments, so an answer that was remembered cannot be out of date.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from cumulet.compute.domain import servers
from cumulet.kernel import clock

_SECOND: Final = 1_000_000
_FEW, _MANY = 512, 4096
_encode = msgspec.json.Encoder().encode
_OF_ALL_IMAGES: Final = frozenset(
    (
        *("id", "name", "status", "visibility", "owner", "size", "virtual_size", "checksum", "protected", "schema"),
        *("os_hash_algo", "os_hash_value", "os_hidden", "file", "self", "created_at", "updated_at", "min_ram"),
        *("min_disk", "container_format", "disk_format", "direct_url", "stores"),
    )
)


def moment(at: int) -> str:
    """`2026-11-21T14:45:16Z`"""
    return _second(at // _SECOND)


@functools.lru_cache(_MANY)
def _second(seconds: int) -> str:
    return clock.iso(seconds * _SECOND)


@functools.lru_cache(_FEW)
def host_id(project_id: str, host: str) -> str:
    """The same for two servers of a project on one host, and nothing else told about the host."""
    return hashlib.sha224(f"{project_id}{host}".encode()).hexdigest()


@functools.lru_cache(_FEW)
def image(base: str, image_id: str, properties: str | None) -> msgspec.Raw:
    """`properties`: the row's text, None where they are not shown."""
    shown: dict[str, Any] = {"id": image_id, "links": [{"rel": "bookmark", "href": f"{base}/images/{image_id}"}]}
    if properties is not None:
        shown["properties"] = image_properties(properties)
    return msgspec.Raw(_encode(shown))


def image_properties(text: str) -> dict[str, Any]:
    """What the image had beside the attributes that every image has."""
    return {name: value for name, value in servers.decode(text).items() if name not in _OF_ALL_IMAGES}


@functools.lru_cache(_FEW)
def flavor_link(base: str, text: str) -> msgspec.Raw:
    """As before 2.47."""
    flavor_id = servers.decode(text)["id"]
    bookmark = {"rel": "bookmark", "href": f"{base}/flavors/{flavor_id}"}
    return msgspec.Raw(_encode({"id": flavor_id, "links": [bookmark]}))


@functools.lru_cache(_FEW)
def flavor(text: str, *, specs: bool) -> msgspec.Raw:
    found = servers.decode(text)
    shown = {key: found[key] for key in ("vcpus", "ram", "disk", "ephemeral", "swap")}
    shown["original_name"] = found["name"]
    if specs:
        shown["extra_specs"] = found["extra_specs"]
    return msgspec.Raw(_encode(shown))


@functools.lru_cache(_FEW)
def security_groups(text: str) -> msgspec.Raw | None:
    names = servers.decode(text)
    return msgspec.Raw(_encode([{"name": name} for name in names])) if names else None


@functools.lru_cache(_FEW)
def volumes(text: str, *, plain: bool) -> msgspec.Raw:
    """`plain`: only their ids, as before 2.3."""
    return msgspec.Raw(_encode([{"id": one["id"]} for one in servers.decode(text)]) if plain else text.encode())


@functools.lru_cache(_MANY)
def addresses(text: str, *, plain: bool = False) -> msgspec.Raw:
    """`{network name: [{"addr", "version", …}]}` out of the stored VIFs."""
    return msgspec.Raw(_encode(addresses_of(text, plain=plain)))


def addresses_of(text: str, *, plain: bool = True) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for vif in servers.decode(text):
        shown = found.setdefault(vif["label"], [])
        for ip in _each_address(vif["ips"]):
            one = {"version": ip["version"], "addr": ip["address"]}
            if not plain:
                one |= {"OS-EXT-IPS:type": ip["type"], "OS-EXT-IPS-MAC:mac_addr": vif["mac"]}
            shown.append(one)
    return found


def _each_address(ips: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for ip in ips:
        yield {**ip, "type": "fixed"}
        for floating in ip.get("floating", ()):
            yield {"address": floating, "version": 4, "type": "floating"}
