"""Bodies of `/v2.1/os-keypairs` (Compute API, Keypairs)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

OldName = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[_\- a-zA-Z0-9]+$")]
Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[@._\- a-zA-Z0-9]+$")]


class OldKeyPair(Struct, forbid_unknown_fields=True):
    """2.1: no type, no owner."""

    name: OldName
    public_key: str | UnsetType = UNSET


class TypedKeyPair(Struct, forbid_unknown_fields=True):
    """2.2 to 2.9."""

    name: OldName
    public_key: str | UnsetType = UNSET
    type: Literal["ssh", "x509"] = "ssh"


class OwnedKeyPair(Struct, forbid_unknown_fields=True):
    """2.10 to 2.91: administrators make them for others."""

    name: OldName
    public_key: str | UnsetType = UNSET
    type: Literal["ssh", "x509"] = "ssh"
    user_id: str | UnsetType = UNSET


class ImportedKeyPair(Struct, forbid_unknown_fields=True):
    """2.92: only imported keys; the cloud no longer makes private ones."""

    name: Name
    public_key: str
    type: Literal["ssh", "x509"] = "ssh"
    user_id: str | UnsetType = UNSET


KeyPairFields = OldKeyPair | TypedKeyPair | OwnedKeyPair | ImportedKeyPair


class OldBody(Struct, forbid_unknown_fields=True):
    keypair: OldKeyPair


class TypedBody(Struct, forbid_unknown_fields=True):
    keypair: TypedKeyPair


class OwnedBody(Struct, forbid_unknown_fields=True):
    keypair: OwnedKeyPair


class ImportedBody(Struct, forbid_unknown_fields=True):
    keypair: ImportedKeyPair
