"""How a host logs in to Image: as Nova's own user, with what the cloud made, or what nova.conf says.

nova.conf: [service_user] first, else [keystone_authtoken] (auth_url, username, password, project_name).
"""

from __future__ import annotations

import msgspec
from oslo_config import cfg

from cumulet.kernel.client import Session, Transport
from cumulet.kernel.settings import Settings

_GROUPS = ("service_user", "keystone_authtoken")
_IDENTITY = (5000, "/identity")
_OPTIONS = [
    cfg.StrOpt("auth_url"),
    cfg.StrOpt("www_authenticate_uri"),
    cfg.StrOpt("username"),
    cfg.StrOpt("password", secret=True),
    cfg.StrOpt("project_name", default="service"),
    cfg.StrOpt("region_name"),
    cfg.StrOpt("cafile"),
]


def session(settings: Settings, conf: cfg.ConfigOpts) -> Session:
    """Raises ValueError when neither says who this host is."""
    named = _from_conf(conf, settings)
    if named is not None:
        return named
    file = settings.paths.keys / "passwords.json"
    if not file.exists():
        raise ValueError("nova.conf has no [service_user] or [keystone_authtoken] with auth_url, username and password")
    password = msgspec.json.decode(file.read_bytes(), type=dict[str, str])["nova"]
    return Session(Transport(), settings.url(*_IDENTITY) + "/v3", "nova", password, region=settings.region)


def _from_conf(conf: cfg.ConfigOpts, settings: Settings) -> Session | None:
    for name in _GROUPS:
        conf.register_opts(_OPTIONS, group=name)
        group = conf[name]
        url = group.auth_url or group.www_authenticate_uri
        if url and group.username and group.password:
            base = url.rstrip("/").removesuffix("/v3")
            region = group.region_name or settings.region
            return Session(
                Transport(ca_file=group.cafile),
                f"{base}/v3",
                group.username,
                group.password,
                project=group.project_name,
                region=region,
            )
    return None
