"""Image (Glance): what its handlers, domain and jobs are handed."""

from __future__ import annotations

from dataclasses import dataclass, field

from oslo_config import cfg

from cumulet.image.limits import Limits
from cumulet.image.protections import PropertyProtections
from cumulet.image.stores.files import FileStore
from cumulet.image.stores.registry import Stores
from cumulet.image.transfer.filtering import ImportFilter
from cumulet.image.views import ImageView
from cumulet.kernel.clock import Clock
from cumulet.kernel.context import Context
from cumulet.kernel.db import Database
from cumulet.kernel.environment import Environment
from cumulet.kernel.jobs import wake
from cumulet.kernel.jobs.owner import LeaseOwner
from cumulet.kernel.policy import Policy
from cumulet.kernel.vault import Vault

NAME = "image"


@dataclass
class ImageService:
    """One process's Image service, put together by `app.build_service`.

    `node` names this host's cache among others'. `writers` makes the tokens that say which process writes an image.
    """

    env: Environment
    conf: cfg.ConfigOpts
    db: Database
    policy: Policy
    now: Clock
    stores: Stores
    filtering: ImportFilter
    view: ImageView
    protections: PropertyProtections | None
    vault: Vault
    limits: Limits | None
    node: str
    cache: FileStore | None
    writers: LeaseOwner = field(default_factory=LeaseOwner)

    def is_admin(self, ctx: Context) -> bool:
        return self.policy.allows(ctx, "context_is_admin")

    def wake(self) -> None:
        """After a commit that wrote a job."""
        wake(self.env.paths.run / "engine.sock", NAME)
