"""As whom a host uses the object store: the account that owns all backups.

cinder.conf: `backup_swift_auth = single_user` with `backup_swift_auth_url`, `backup_swift_user`, `backup_swift_key` and
`backup_swift_project`; else as a host logs in anywhere (`agents.login`). A host is not given its users' tokens, so
`per_user`, the original's default, means the latter.
"""

from __future__ import annotations

from oslo_config import cfg

from cumulet.agents import login
from cumulet.kernel.client import Session, Transport
from cumulet.kernel.settings import Settings


def session(settings: Settings, conf: cfg.ConfigOpts) -> Session:
    """Raises ValueError when nothing says who this host is."""
    ca_file = conf.backup_swift_ca_cert_file
    if conf.backup_swift_auth != "single_user":
        return login.session(settings, conf, "cinder", ca_file=ca_file)
    if not (conf.backup_swift_auth_url and conf.backup_swift_user and conf.backup_swift_key):
        raise ValueError("backup_swift_auth = single_user needs backup_swift_auth_url, _user and _key")
    project = conf.backup_swift_project or conf.backup_swift_user
    url, user = login.versioned(conf.backup_swift_auth_url), conf.backup_swift_user
    return Session(Transport(ca_file=ca_file), url, user, conf.backup_swift_key, project=project)
