"""What the composition root of every service is handed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from oslo_config import cfg

from cumulet.kernel import config
from cumulet.kernel.auth import IdentityVerifier, TokenAuthenticator
from cumulet.kernel.client import Session, Transport
from cumulet.kernel.db import Database
from cumulet.kernel.paths import Paths
from cumulet.kernel.settings import Settings

IDENTITY_PORT = 5000
IDENTITY_PATH = "/identity"
_LOGIN_OPTIONS = [
    cfg.StrOpt("username", deprecated_name="admin_user"),
    cfg.StrOpt("password", secret=True, deprecated_name="admin_password"),
]


@dataclass
class Environment:
    """One process's view of its cloud. Made after a fork: it leads to connections."""

    settings: Settings
    transport: Transport = field(default_factory=Transport)

    @property
    def paths(self) -> Paths:
        return self.settings.paths

    def config(self, project: str) -> cfg.ConfigOpts:
        """The options of `keystone`, `nova`… from the operator's files."""
        return config.load(project, self.settings.files_of(project))

    def database(self, service: str, conf: cfg.ConfigOpts) -> Database:
        """The service's database: `[database] connection`, or an SQLite file in the state directory."""
        return Database(
            conf.database.connection or self.paths.sqlite_url(service),
            pool_size=conf.database.max_pool_size,
            durable=conf.database.sqlite_synchronous,
        )

    @property
    def auth_url(self) -> str:
        """Identity's versioned URL, as this process reaches it."""
        return self.settings.url(IDENTITY_PORT, IDENTITY_PATH) + "/v3"

    @property
    def has_local_identity(self) -> bool:
        return self.auth_url.removesuffix("/v3") in self.transport.local

    def authenticator(self, *service_types: str) -> TokenAuthenticator:
        verifier = IdentityVerifier(self.transport, self.auth_url, remember_s=0.0 if self.has_local_identity else 1.0)
        return TokenAuthenticator(
            verifier, service_types=service_types, www_authenticate=self.auth_url.removesuffix("/v3")
        )

    def service_session(self, user: str) -> Session:
        """A login as a service's own user (`nova`, `glance`…): with the password that [keystone_authtoken] of its conf
        names, for who made that user by hand as the install guides do, or with the one made at the first start."""
        made = self.service_passwords()[user]
        named = self._named_password(user)
        return Session(
            self.transport,
            self.auth_url,
            user,
            named or made,
            region=self.settings.region,
            other_password=named and made,
        )

    def _named_password(self, user: str) -> str | None:
        """A service's user has its project's name."""
        if not self.settings.files_of(user):
            return None
        conf = self.config(user)
        conf.register_opts(_LOGIN_OPTIONS, group="keystone_authtoken")
        login = conf.keystone_authtoken
        return login.password if login.username == user else None

    def service_passwords(self) -> dict[str, str]:
        file = self.passwords_file
        return msgspec.json.decode(file.read_bytes(), type=dict[str, str])

    @property
    def passwords_file(self) -> Path:
        return self.paths.keys / "passwords.json"
