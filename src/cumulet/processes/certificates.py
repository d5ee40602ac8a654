"""A certificate of this cloud's own, for `--tls self-signed`: trusted by those who are given the file."""

from __future__ import annotations

import ipaddress
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cumulet.kernel.settings import write_private

_LIFE = timedelta(days=825)  # the longest that Apple's clients accept of any certificate
_RENEW_BEFORE = timedelta(days=30)


def ensure(directory: Path, names: set[str]) -> tuple[Path, Path]:
    """The certificate and key files, made anew when they are missing, about to expire, or lack one of `names`."""
    certificate, key = directory / "tls.crt", directory / "tls.key"
    if not (certificate.exists() and key.exists() and _serves(certificate.read_bytes(), names)):
        made_certificate, made_key = _make(names)
        write_private(key, made_key)
        write_private(certificate, made_certificate)
    return certificate, key


def names_of(*hosts: str | None) -> set[str]:
    """What clients of this cloud may call it: this machine's names and loopback addresses beside `hosts`."""
    found = {"localhost", "127.0.0.1", "::1", socket.gethostname()}
    return found | {host for host in hosts if host and host not in ("0.0.0.0", "::")}  # noqa: S104


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _serves(pem: bytes, names: set[str]) -> bool:
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate(pem)
    if certificate.not_valid_after_utc - _RENEW_BEFORE < datetime.now(UTC):
        return False
    alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    known = {str(address) for address in alternatives.get_values_for_type(x509.IPAddress)}
    known |= set(alternatives.get_values_for_type(x509.DNSName))
    return names <= known


def _make(names: set[str]) -> tuple[bytes, bytes]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Cumulet")])
    alternatives: list[x509.GeneralName] = [
        x509.IPAddress(ipaddress.ip_address(name)) if _is_address(name) else x509.DNSName(name)
        for name in sorted(names)
    ]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoded_key = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), encoded_key
