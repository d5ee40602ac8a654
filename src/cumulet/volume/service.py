"""Volume (Cinder): what its handlers, domain and jobs are handed."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Protocol

from oslo_config import cfg
from sqlalchemy.engine import Connection

from cumulet.kernel.bus import Bus, make_bus
from cumulet.kernel.client import Session
from cumulet.kernel.clock import Clock
from cumulet.kernel.context import Context
from cumulet.kernel.db import Database
from cumulet.kernel.environment import Environment
from cumulet.kernel.jobs import wake
from cumulet.kernel.policy import Policy


class KeyStore(Protocol):
    """Where the passphrases of encrypted volumes are kept. Ids are what the database knows of them."""

    def create(self, connection: Connection, *, project_id: str, bits: int) -> str:
        """A new random key's id."""

    def copy(self, connection: Connection, key_id: str, *, project_id: str) -> str:
        """The same key under another id: for what is made from an encrypted volume."""

    def passphrase(self, connection: Connection, key_id: str) -> str:
        """Hexadecimal. Raises LookupError for an id that there is not."""

    def delete(self, connection: Connection, key_id: str) -> None:
        """Nothing to delete is right too."""


@dataclass
class Volume:
    """One process's Volume service, put together by `app.build_service`."""

    env: Environment
    conf: cfg.ConfigOpts
    db: Database
    policy: Policy
    now: Clock
    filters: dict[str, list[str]]
    """noun -> the filters that users may give (resource_filters)"""
    keys: KeyStore | None = None

    @functools.cached_property
    def bus(self) -> Bus:
        """The way to the back ends' agents; made when it is first used."""
        return make_bus(self.conf.transport_url, self.env.paths.run / "bus")

    @functools.cached_property
    def session(self) -> Session:
        """Volume's own login at the other services."""
        return self.env.service_session("cinder")

    def is_admin(self, ctx: Context) -> bool:
        return self.policy.allows(ctx, "context_is_admin")

    def wake(self) -> None:
        """Tell the engine that a job was committed."""
        wake(self.env.paths.engine_socket, "volume")
