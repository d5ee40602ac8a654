"""Compute (Nova), put together: options, database, rules, routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from cumulet.compute import jobs, methods, options, policies
from cumulet.compute.domain import cells
from cumulet.compute.errors import error_body
from cumulet.compute.metadata.application import MetadataService
from cumulet.compute.microversions import VERSIONS
from cumulet.compute.paths import ProjectPaths
from cumulet.compute.projects import Projects
from cumulet.compute.routes import ROUTES
from cumulet.compute.service import Compute
from cumulet.kernel import clock, shared_secret
from cumulet.kernel.bus import Method
from cumulet.kernel.environment import Environment
from cumulet.kernel.http import Api, application
from cumulet.kernel.jobs import JobRegistry
from cumulet.kernel.migrate import Schema
from cumulet.kernel.policy import Policy

SCHEMA = Schema("compute", "cumulet.compute.migrations")
ERROR_TYPE: Final = "application/json; charset=UTF-8"
REFUSAL: Final = "Policy doesn't allow {rule} to be performed."


def build_service(env: Environment) -> Compute:
    conf = env.config("nova")
    options.register(conf)
    options.say_where_consoles_are(conf, env.settings)
    return Compute(
        env=env,
        conf=conf,
        db=env.database("compute", conf),
        policy=Policy(conf, policies.rules(), config_dir=env.paths.config / "nova", refusal=REFUSAL),
        now=clock.now,
        projects=Projects(env.service_session("nova")),
    )


def build_api(compute: Compute) -> Callable[..., Iterable[bytes]]:
    api: Api[Any] = Api(
        name="compute",
        service=compute,
        routes=ROUTES,
        authenticate=compute.env.authenticator("compute"),
        error_body=error_body,
        error_content_type=ERROR_TYPE,
        microversions=VERSIONS,
        health=compute.db.ping,
    )
    return ProjectPaths(application(api))


def prepare(compute: Compute, passwords: Mapping[str, str]) -> None:
    """What a cloud has from its first start: the secret it shares with Network's proxy, and its cells."""
    shared_secret.ensure(compute.env.paths)
    cells.ensure(compute)


def build_metadata(compute: Compute) -> Callable[..., Iterable[bytes]]:
    """What guests ask through Network's proxy."""
    own = shared_secret.load(compute.env.paths)
    return MetadataService(compute, compute.conf.neutron.metadata_proxy_shared_secret or own)


def build_jobs(compute: Compute) -> JobRegistry:
    return jobs.registry()


def build_methods(compute: Compute) -> Mapping[str, Method]:
    """What the engine serves on the bus as host `engine`."""
    return methods.methods(compute)
