"""The passwords that a cloud makes for itself at its first start, and the files in which people find theirs."""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec
import yaml

from cumulet import services
from cumulet.kernel.environment import IDENTITY_PATH, IDENTITY_PORT
from cumulet.kernel.paths import Paths
from cumulet.kernel.settings import Settings, write_private

ADMIN, DEMO = "admin", "demo"


def passwords_file(paths: Paths) -> Path:
    return paths.keys / "passwords.json"


def ensure_passwords(paths: Paths) -> dict[str, str]:
    """User name to password: admin, demo, and each service's own user. What exists is never changed."""
    known = load_passwords(paths)
    users = [ADMIN, DEMO, *(service.user for service in services.SERVICES if service.user)]
    missing = [user for user in users if user not in known]
    if missing:
        known |= {user: secrets.token_urlsafe(18) for user in missing}
        write_private(passwords_file(paths), msgspec.json.format(msgspec.json.encode(known)))
    return known


def remember(paths: Paths, user: str, password: str) -> None:
    """Keep a password that an administrator chose, beside those made here."""
    known = ensure_passwords(paths) | {user: password}
    write_private(passwords_file(paths), msgspec.json.format(msgspec.json.encode(known)))


def load_passwords(paths: Paths) -> dict[str, str]:
    file = passwords_file(paths)
    return msgspec.json.decode(file.read_bytes(), type=dict[str, str]) if file.exists() else {}


def credentials(settings: Settings, user: str) -> dict[str, str]:
    """What a client needs to log in as `admin` or `demo`, under the names of clouds.yaml's `auth`."""
    return {
        "auth_url": settings.url(IDENTITY_PORT, IDENTITY_PATH) + "/v3",
        "username": user,
        "password": load_passwords(settings.paths)[user],
        "project_name": user,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }


def certificate_of(settings: Settings) -> str | None:
    """The file clients must trust: only for a certificate that no authority signed."""
    own = settings.paths.keys / "tls.crt"
    return str(own) if settings.tls_cert == str(own) else None


def openrc(settings: Settings, user: str) -> str:
    """Lines for a shell, as in the install guides."""
    lines = [f"export OS_{key.upper()}={_quoted(value)}" for key, value in credentials(settings, user).items()]
    lines += [
        f"export OS_REGION_NAME={_quoted(settings.region)}",
        "export OS_IDENTITY_API_VERSION=3",
        "export OS_IMAGE_API_VERSION=2",
        "export OS_AUTH_TYPE=password",
    ]
    certificate = certificate_of(settings)
    if certificate is not None:
        lines.append(f"export OS_CACERT={_quoted(certificate)}")
    # A shell that talked to another cloud before must not mix the two.
    lines.append("unset OS_TOKEN OS_URL OS_CLOUD OS_TENANT_NAME OS_PROJECT_ID OS_USER_DOMAIN_ID OS_PROJECT_DOMAIN_ID")
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def clouds_file(paths: Paths) -> Path:
    return paths.config / "clouds.yaml"


def write_clouds(settings: Settings) -> None:
    """clouds.yaml with the clouds `cumulet` (admin) and `demo`."""
    clouds = {}
    for name, user in (("cumulet", ADMIN), ("demo", DEMO)):
        entry: dict[str, object] = {
            "auth": credentials(settings, user),
            "region_name": settings.region,
            "identity_api_version": 3,
        }
        certificate = certificate_of(settings)
        if certificate is not None:
            entry["cacert"] = certificate
        clouds[name] = entry
    write_private(clouds_file(settings.paths), yaml.safe_dump({"clouds": clouds}, sort_keys=False).encode())
