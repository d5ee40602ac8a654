"""JWS tokens: signed, not encrypted, so that whoever holds the public keys can check them (RFC 7515, 7519)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from cumulet.identity.tokens.keys import NoKeys, Watched
from cumulet.identity.tokens.payload import Payload
from cumulet.kernel.settings import write_private

ALGORITHMS = ("ES256", "ES384", "ES512", "EdDSA")
_CURVES: Mapping[str, Any] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
_MICRO = 1_000_000
_LONGEST = 4096


class JwsProvider:
    """Signs with `private/private.pem`, accepts what any key in `public` signed."""

    def __init__(
        self, private: Path, public: Path, *, algorithm: str = "ES256", accepted: Sequence[str] = ("ES256",)
    ) -> None:
        self._algorithm = algorithm
        self._accepted = [name for name in accepted if name in ALGORITHMS]
        self._private = Watched((private,), lambda: _private_key(private / "private.pem"))
        self._public = Watched((public,), lambda: _public_keys(public))

    def seal(self, token: Payload) -> str:
        """Raises keys.NoKeys."""
        claims: dict[str, Any] = {
            "sub": token.user_id,
            "iat": token.issued_at // _MICRO,
            "exp": token.expires_at // _MICRO,
            "openstack_issued_at": token.issued_at,
            "openstack_methods": list(token.methods),
            "openstack_audit_ids": token.audit_ids,
            "openstack_system": "all" if token.system else None,
            "openstack_project_id": token.project_id,
            "openstack_domain_id": token.domain_id,
            "openstack_trust_id": token.trust_id,
            "openstack_app_cred_id": token.application_credential_id,
            "openstack_access_token_id": token.access_token_id,
        }
        given = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(given, self._private.get(), algorithm=self._algorithm)

    def open(self, token: str) -> Payload | None:
        """None for a token that none of the keys signed."""
        if len(token) > _LONGEST:
            return None
        claims = self._verify(token)
        if claims is None and self._public.refresh():
            claims = self._verify(token)
        try:
            return None if claims is None else _payload(claims)
        except (KeyError, ValueError, TypeError, msgspec.ValidationError):
            return None

    def _verify(self, token: str) -> dict[str, Any] | None:
        # Whether it has expired is decided where every kind of token's expiry is.
        options: Any = {"verify_exp": False, "verify_iat": False, "require": ["sub", "exp", "openstack_issued_at"]}
        for key in self._public.get():
            try:
                return jwt.decode(token, key, algorithms=self._accepted, options=options)
            except (jwt.InvalidTokenError, jwt.InvalidKeyError, ValueError):
                continue
        return None


def _payload(claims: dict[str, Any]) -> Payload:
    audit_ids = claims["openstack_audit_ids"]
    return msgspec.convert(
        {
            "user_id": claims["sub"],
            "methods": claims["openstack_methods"],
            "issued_at": claims["openstack_issued_at"],
            "expires_at": claims["exp"] * _MICRO,
            "audit_id": audit_ids[0],
            "parent_audit_id": audit_ids[1] if len(audit_ids) > 1 else None,
            "system": claims.get("openstack_system") == "all",
            "project_id": claims.get("openstack_project_id"),
            "domain_id": claims.get("openstack_domain_id"),
            "trust_id": claims.get("openstack_trust_id"),
            "application_credential_id": claims.get("openstack_app_cred_id"),
            "access_token_id": claims.get("openstack_access_token_id"),
        },
        Payload,
    )


def setup(private: Path, public: Path, algorithm: str = "ES256") -> bool:
    """Make a key pair (`private/private.pem`, `public/public.pem`) where there is none. Returns whether it did."""
    private.mkdir(parents=True, exist_ok=True, mode=0o700)
    public.mkdir(parents=True, exist_ok=True, mode=0o755)
    if (private / "private.pem").exists():
        return False
    key: Any = ed25519.Ed25519PrivateKey.generate()
    if algorithm != "EdDSA":
        key = ec.generate_private_key(_CURVES[algorithm]())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    shown = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_private(public / "public.pem", shown)
    os.chmod(public / "public.pem", 0o644)  # noqa: PTH101 - a public key
    write_private(private / "private.pem", pem)
    return True


def _private_key(file: Path) -> Any:
    try:
        return serialization.load_pem_private_key(file.read_bytes(), None)
    except FileNotFoundError:
        raise NoKeys(f"{file} does not exist: run keystone-manage create_jws_keypair") from None


def _public_keys(directory: Path) -> list[Any]:
    keys = [serialization.load_pem_public_key(file.read_bytes()) for file in sorted(directory.glob("*.pem"))]
    if not keys:
        raise NoKeys(f"{directory} has no public key: run keystone-manage create_jws_keypair")
    return keys
