"""Identity (Keystone), put together: options, database, rules, routes."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import falcon

from cumulet import services
from cumulet.identity import jobs, options, policies, tokens
from cumulet.identity.authenticate import Authenticate
from cumulet.identity.domain import bootstrap
from cumulet.identity.domain.passwords import Passwords
from cumulet.identity.errors import error_body
from cumulet.identity.routes import ROUTES
from cumulet.identity.service import Identity
from cumulet.kernel import clock
from cumulet.kernel.environment import Environment
from cumulet.kernel.http import Api, Authenticator, application
from cumulet.kernel.jobs import JobRegistry
from cumulet.kernel.migrate import Schema
from cumulet.kernel.policy import Policy

LOG = logging.getLogger(__name__)
REFUSAL = "You are not authorized to perform the requested action: {rule}."
SCHEMA = Schema("identity", "cumulet.identity.migrations")


def build_service(env: Environment) -> Identity:
    conf = env.config("keystone")
    options.register(conf)
    db = env.database("identity", conf)
    return Identity(
        env=env,
        conf=conf,
        db=db,
        policy=Policy(conf, policies.rules(), config_dir=env.paths.config / "keystone", refusal=REFUSAL),
        now=clock.now,
        passwords=Passwords(conf.identity.password_hash_rounds or 12),
        tokens=tokens.build(conf, env.paths, db),
    )


def prepare(identity: Identity, passwords: Mapping[str, str]) -> None:
    """Before every start: what must be there for anybody to log in."""
    settings = identity.env.settings
    if identity.conf.admin_token:
        LOG.warning(
            "keystone.conf has an admin_token: who knows it may do everything in Identity, and nothing tells who "
            "it was. Take it out as soon as an administrator can log in."
        )
    bootstrap.ensure_cloud(identity, settings, services.enabled(settings.services), passwords)


def build_jobs(identity: Identity) -> JobRegistry:
    return jobs.registry()


def build_api(identity: Identity, authenticate: Authenticator | None = None) -> falcon.App:
    """`authenticate` is who tells callers from their requests; tests of other things than logins bring their own."""
    return application(
        Api(
            name="identity",
            service=identity,
            routes=ROUTES,
            authenticate=authenticate or Authenticate(identity),
            error_body=error_body,
            health=identity.db.ping,
            response_headers={"Vary": "X-Auth-Token"},
            max_body=114688,
        )
    )
