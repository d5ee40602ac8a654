"""Network (Neutron), put together: options, database, rules, routes."""

from __future__ import annotations

from collections.abc import Mapping

import falcon

from cumulet.kernel import clock
from cumulet.kernel.bus import Method
from cumulet.kernel.environment import Environment
from cumulet.kernel.http import Api, Authenticator, application
from cumulet.kernel.jobs import JobRegistry
from cumulet.kernel.migrate import Schema
from cumulet.kernel.policy import Policy
from cumulet.network import jobs, methods, options, policies
from cumulet.network.domain import generations
from cumulet.network.errors import error_body
from cumulet.network.routes import ROUTES
from cumulet.network.service import Network
from cumulet.network.teller import Teller

REFUSAL = "rule:{rule} is disallowed by policy"
SCHEMA = Schema("network", "cumulet.network.migrations")


def build_service(env: Environment) -> Network:
    conf = env.config("neutron")
    options.register(conf)
    network = Network(
        env=env,
        conf=conf,
        db=env.database("network", conf),
        policy=Policy(conf, policies.rules(), config_dir=env.paths.config / "neutron", refusal=REFUSAL),
        now=clock.now,
        record=generations.record,
        tell=lambda topics: None,
    )
    network.tell = Teller(lambda: network.bus)
    return network


def build_api(network: Network, authenticate: Authenticator | None = None) -> falcon.App:
    """`authenticate` is for tests; otherwise Identity is asked about tokens."""
    return application(
        Api(
            name="network",
            service=network,
            routes=ROUTES,
            authenticate=authenticate or network.env.authenticator("network"),
            error_body=error_body,
            health=network.db.ping,
        )
    )


def build_jobs(network: Network) -> JobRegistry:
    return jobs.registry()


def build_methods(network: Network) -> Mapping[str, Method]:
    """What the engine serves on the bus as host `engine`."""
    return methods.methods(network)
