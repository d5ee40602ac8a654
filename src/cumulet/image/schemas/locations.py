"""Locations of data, in patches and in `POST /v2/images/{id}/locations` (Image API v2, Locations)."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from cumulet.image.errors import schema_mismatch
from cumulet.kernel.errors import BadRequest

ADDED_ALGORITHMS = ("sha1", "sha256", "sha512", "md5")


class PatchValidation(Struct, forbid_unknown_fields=True):
    os_hash_algo: Annotated[str, Meta(max_length=64)]
    os_hash_value: Annotated[str, Meta(max_length=128)]
    checksum: Annotated[str, Meta(min_length=32, max_length=32)] | UnsetType = UNSET


class PatchLocation(Struct, forbid_unknown_fields=True):
    url: Annotated[str, Meta(max_length=255)]
    metadata: dict[str, Any]
    validation_data: PatchValidation | UnsetType = UNSET


class AddedValidation(Struct, forbid_unknown_fields=True):
    os_hash_algo: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    os_hash_value: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET


class AddedLocation(Struct):
    url: str
    validation_data: AddedValidation | UnsetType | None = UNSET


def check_location(place: Any) -> None:
    try:
        msgspec.convert(place, PatchLocation)
    except msgspec.ValidationError as error:
        raise schema_mismatch("image", f"{error} in 'locations'") from None


def parse_added(body: Any) -> tuple[str, dict[str, str]]:
    """(URL, validation data) of a location to add; the data holds algorithm and value, or nothing."""
    try:
        added = msgspec.convert(body, AddedLocation)
    except msgspec.ValidationError as error:
        raise schema_mismatch("location", str(error)) from None
    if added.validation_data is UNSET or added.validation_data is None:
        return added.url, {}
    algorithm, value = added.validation_data.os_hash_algo, added.validation_data.os_hash_value
    if algorithm is UNSET and value is UNSET:
        return added.url, {}
    if algorithm is UNSET or value is UNSET:
        raise schema_mismatch("location", "os_hash_algo and os_hash_value need each other in 'validation_data'")
    if algorithm not in ADDED_ALGORITHMS:
        raise schema_mismatch("location", f"'{algorithm}' is not one of {list(ADDED_ALGORITHMS)} in 'os_hash_algo'")
    check_hash(str(algorithm), str(value))
    return added.url, {"os_hash_algo": str(algorithm), "os_hash_value": str(value)}


def check_hash(algorithm: str, value: str) -> None:
    """Raises BadRequest for a value that no digest of the algorithm can have."""
    try:
        given = bytes.fromhex(value)
    except ValueError:
        raise BadRequest(f"os_hash_value ({value}) is not a valid hexadecimal value") from None
    wanted = hashlib.new(algorithm, usedforsecurity=False).digest_size
    if len(given) != wanted:
        raise BadRequest(
            f"os_hash_value: ({value}) is not the correct size for ({algorithm}) (should be ({wanted}) bytes)"
        )
