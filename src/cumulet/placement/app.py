"""Placement, put together: options, database, rules, routes."""

from __future__ import annotations

from collections.abc import Mapping

import falcon

from cumulet.kernel import clock
from cumulet.kernel.environment import Environment
from cumulet.kernel.http import Api, Authenticator, application
from cumulet.kernel.migrate import Schema
from cumulet.kernel.policy import Policy
from cumulet.placement import noauth, options, policies
from cumulet.placement.domain import vocabulary
from cumulet.placement.domain.snapshot.cache import SnapshotCache
from cumulet.placement.errors import error_body
from cumulet.placement.routes import ROUTES
from cumulet.placement.service import Placement
from cumulet.placement.versions import VERSIONS

SCHEMA = Schema("placement", "cumulet.placement.migrations")
REFUSAL = "Policy does not allow {rule} to be performed."
MAX_BODY = 64 << 20  # a reshape of a large provider tree carries all its consumers


def build_service(env: Environment) -> Placement:
    conf = env.config("placement")
    options.register(conf)
    db = env.database("placement", conf)
    return Placement(
        env=env,
        conf=conf,
        db=db,
        policy=Policy(conf, policies.rules(), config_dir=env.paths.config / "placement", refusal=REFUSAL),
        now=clock.now,
        snapshots=SnapshotCache(db),
    )


def prepare(placement: Placement, passwords: Mapping[str, str]) -> None:
    """The standard resource classes and traits, after the tables are there."""
    vocabulary.sync(placement)


def build_api(placement: Placement) -> falcon.App:
    authenticate: Authenticator = noauth.authenticate
    if placement.conf.api.auth_strategy == "keystone":
        authenticate = placement.env.authenticator("placement")
    return application(
        Api(
            name="placement",
            service=placement,
            routes=ROUTES,
            authenticate=authenticate,
            error_body=error_body,
            microversions=VERSIONS,
            health=placement.db.ping,
            max_body=MAX_BODY,
        )
    )


def build_jobs(placement: Placement) -> None:
    """Placement has no work of its own: everything happens in the request that asks for it."""
