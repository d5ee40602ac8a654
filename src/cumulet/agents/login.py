"""How a host logs in to other services: as its own service's user, with what its conf says or what the cloud made.

nova.conf, cinder.conf: [service_user] first, else [keystone_authtoken] (auth_url, username, password, project_name; or
identity_uri, admin_user, admin_password, admin_tenant_name, as they were called until 2016).
"""

from __future__ import annotations

import msgspec
from oslo_config import cfg

from cumulet.kernel.client import Session, Transport
from cumulet.kernel.settings import Settings

_GROUPS = ("service_user", "keystone_authtoken")
_IDENTITY = (5000, "/identity")
_OPTIONS = [
    cfg.StrOpt("auth_url", deprecated_name="identity_uri"),
    cfg.StrOpt("www_authenticate_uri", deprecated_name="auth_uri"),
    cfg.StrOpt("username", deprecated_name="admin_user"),
    cfg.StrOpt("password", secret=True, deprecated_name="admin_password"),
    cfg.StrOpt("project_name", default="service", deprecated_name="admin_tenant_name"),
    cfg.StrOpt("region_name"),
    cfg.StrOpt("cafile"),
]


def session(settings: Settings, conf: cfg.ConfigOpts, user: str, *, ca_file: str | None = None) -> Session:
    """`user`: nova or cinder, in the cloud itself. `ca_file` goes before the conf's own.

    Raises ValueError when nothing says who this host is.
    """
    named = _from_conf(conf, settings, ca_file)
    file = settings.paths.keys / "passwords.json"
    made = msgspec.json.decode(file.read_bytes(), type=dict[str, str]) if file.exists() else {}
    if named is not None:
        named.other_password = made.get(named.user)
        return named
    if user not in made:
        raise ValueError(
            f"{user}.conf has no [service_user] or [keystone_authtoken] with auth_url, username and password"
        )
    password = made[user]
    url = settings.url(*_IDENTITY) + "/v3"
    return Session(Transport(ca_file=ca_file), url, user, password, region=settings.region)


def _from_conf(conf: cfg.ConfigOpts, settings: Settings, ca_file: str | None) -> Session | None:
    for name in _GROUPS:
        conf.register_opts(_OPTIONS, group=name)
        group = conf[name]
        url = group.auth_url or group.www_authenticate_uri
        if url and group.username and group.password:
            return Session(
                Transport(ca_file=ca_file or group.cafile),
                versioned(url),
                group.username,
                group.password,
                project=group.project_name,
                region=group.region_name or settings.region,
            )
    return None


def versioned(url: str) -> str:
    """Identity's URL with its version, which confs write with and without."""
    return url.rstrip("/").removesuffix("/v3") + "/v3"
