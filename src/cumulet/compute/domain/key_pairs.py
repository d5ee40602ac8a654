"""Key pairs: public keys by name, of a user; made here up to microversion 2.91, imported always."""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.compute.service import Compute
from cumulet.compute.tables import key_pairs
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import BadRequest, Conflict, Forbidden, NotFound

_UPN = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")


class Made(NamedTuple):
    """A new key pair: PEM of the private key, text of the public one, its fingerprint."""

    private_key: str | None
    public_key: str
    fingerprint: str


def load(connection: Connection, user_id: str, name: str) -> Row[Any]:
    """Raises the 404."""
    mine = sa.and_(key_pairs.c.user_id == user_id, key_pairs.c.name == name)
    row = connection.execute(sa.select(key_pairs).where(mine)).first()
    if row is None:
        raise NotFound(f"Keypair {name} not found for user {user_id}")
    return row


def find(connection: Connection, user_id: str, limit: int, marker: str | None) -> list[Row[Any]]:
    """By name; a page and one more. Raises BadRequest for an unknown marker."""
    query = sa.select(key_pairs).where(key_pairs.c.user_id == user_id)
    if marker is not None:
        try:
            load(connection, user_id, marker)
        except NotFound:
            raise BadRequest(f"Marker {marker} could not be found.") from None
        query = query.where(key_pairs.c.name > marker)
    return list(connection.execute(query.order_by(key_pairs.c.name).limit(limit + 1)))


def create(compute: Compute, user_id: str, name: str, kind: str, public_key: str | None) -> tuple[Row[Any], str | None]:
    """The row and, when the pair was made here, its private key. Raises BadRequest, Conflict or Forbidden (quota)."""
    if name != name.strip():
        raise BadRequest("Keypair name must not begin or end with a space.")
    made = _imported(kind, public_key) if public_key is not None else _generated(kind, user_id)
    row = {
        "user_id": user_id,
        "name": name,
        "type": kind,
        "fingerprint": made.fingerprint,
        "public_key": made.public_key,
        "created_at": compute.now(),
    }
    limit = compute.conf.quota.key_pairs
    try:
        with compute.db.write() as connection:
            count = sa.select(sa.func.count()).select_from(key_pairs).where(key_pairs.c.user_id == user_id)
            if 0 <= limit <= connection.execute(count).scalar_one():
                raise Forbidden("Quota exceeded, too many key pairs.")
            connection.execute(sa.insert(key_pairs).values(**row))
            return load(connection, user_id, name), made.private_key
    except IntegrityError as error:
        if violates_unique(error):
            raise Conflict(f"Key pair '{name}' already exists.") from None
        raise


def delete(compute: Compute, user_id: str, name: str) -> None:
    """Raises the 404."""
    with compute.db.write() as connection:
        row = load(connection, user_id, name)
        connection.execute(sa.delete(key_pairs).where(key_pairs.c.id == row.id))


def _imported(kind: str, public_key: str) -> Made:
    return Made(None, public_key, _ssh_fingerprint(public_key) if kind == "ssh" else _x509_fingerprint(public_key))


def _ssh_fingerprint(public_key: str) -> str:
    """MD5 of the key's blob with colons, as ssh-keygen shows with -E md5."""
    try:
        encoded = public_key.split()[1]
        blob = base64.b64decode(encoded, validate=True)
        serialization.load_ssh_public_key(" ".join(public_key.split()[:2]).encode())
    except (IndexError, binascii.Error, ValueError, UnicodeEncodeError, UnsupportedAlgorithm):
        raise BadRequest("Keypair data is invalid: failed to generate fingerprint") from None
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[index : index + 2] for index in range(0, 32, 2))


def _x509_fingerprint(certificate: str) -> str:
    try:
        parsed = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError:
        raise BadRequest("Keypair data is invalid: failed to generate X509 fingerprint.") from None
    digest = parsed.fingerprint(hashes.SHA1()).hex()  # noqa: S303 - the published form of the fingerprint
    return ":".join(digest[index : index + 2] for index in range(0, 40, 2))


def _generated(kind: str, user_id: str) -> Made:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL if kind == "ssh" else serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    if kind == "x509":
        certificate = _certificate(key, user_id)
        return Made(private, certificate, _x509_fingerprint(certificate))
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    public += " Generated-by-Nova"
    return Made(private, public, _ssh_fingerprint(public))


def _certificate(key: rsa.RSAPrivateKey, user_id: str) -> str:
    """A self-signed client certificate with the user as its principal name, what WinRM logs in with."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user_id[:64])])
    principal = x509.OtherName(_UPN, b"\x0c" + bytes([len(user_id.encode())]) + user_id.encode())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([principal]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
