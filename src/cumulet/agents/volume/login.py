"""As whom a host uses the object store: the account that owns all backups.

cinder.conf: `backup_swift_auth = single_user` with `backup_swift_auth_url`, `backup_swift_user`, `backup_swift_key` and
`backup_swift_project`; else [service_user] or [keystone_authtoken]; else Volume's own user, where the cloud itself is.
A host is not given its users' tokens, so `per_user`, the original's default, means one of the latter two.
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
    """Raises ValueError when nothing says who this host is."""
    transport = Transport(ca_file=conf.backup_swift_ca_cert_file)
    if conf.backup_swift_auth == "single_user":
        if not (conf.backup_swift_auth_url and conf.backup_swift_user and conf.backup_swift_key):
            raise ValueError("backup_swift_auth = single_user needs backup_swift_auth_url, _user and _key")
        project = conf.backup_swift_project or conf.backup_swift_user
        url, user = _versioned(conf.backup_swift_auth_url), conf.backup_swift_user
        return Session(transport, url, user, conf.backup_swift_key, project=project)
    for name in _GROUPS:
        conf.register_opts(_OPTIONS, group=name)
        group = conf[name]
        url = group.auth_url or group.www_authenticate_uri
        if url and group.username and group.password:
            return Session(
                Transport(ca_file=conf.backup_swift_ca_cert_file or group.cafile),
                _versioned(url),
                group.username,
                group.password,
                project=group.project_name,
                region=group.region_name or settings.region,
            )
    file = settings.paths.keys / "passwords.json"
    if not file.exists():
        raise ValueError("cinder.conf has no [service_user] or [keystone_authtoken] with auth_url, username, password")
    password = msgspec.json.decode(file.read_bytes(), type=dict[str, str])["cinder"]
    return Session(transport, settings.url(*_IDENTITY) + "/v3", "cinder", password, region=settings.region)


def _versioned(url: str) -> str:
    return url.rstrip("/").removesuffix("/v3") + "/v3"
