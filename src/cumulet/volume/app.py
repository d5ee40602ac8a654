"""Volume (Cinder), put together: options, database, rules, routes, jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from cumulet.kernel import clock
from cumulet.kernel.bus import Method
from cumulet.kernel.environment import Environment
from cumulet.kernel.http import Api, application
from cumulet.kernel.jobs import JobRegistry
from cumulet.kernel.migrate import Schema
from cumulet.kernel.policy import Policy
from cumulet.kernel.vault import Vault
from cumulet.volume import jobs, methods, options, policies, resource_filters
from cumulet.volume.domain import group_types, types
from cumulet.volume.domain.keys import Keys
from cumulet.volume.errors import error_body
from cumulet.volume.microversions import VERSIONS
from cumulet.volume.paths import ProjectPaths, SameProject
from cumulet.volume.routes import ROUTES
from cumulet.volume.scheduling import choice
from cumulet.volume.service import Volume

SCHEMA = Schema("volume", "cumulet.volume.migrations")
REFUSAL: Final = "Policy doesn't allow {rule} to be performed."


def build_service(env: Environment) -> Volume:
    conf = env.config("cinder")
    options.register(conf)
    choice.check(conf)
    return Volume(
        env=env,
        conf=conf,
        db=env.database("volume", conf),
        policy=Policy(conf, policies.rules(), config_dir=env.paths.config / "cinder", refusal=REFUSAL),
        now=clock.now,
        keys=Keys(Vault(env.paths.keys / "volume-keys.key"), clock.now),
        filters=resource_filters.load(conf, env.paths.config / "cinder"),
    )


def build_api(volume: Volume) -> Callable[..., Iterable[bytes]]:
    api: Api[Any] = Api(
        name="volume",
        service=volume,
        routes=ROUTES,
        authenticate=SameProject(volume.env.authenticator("block-storage", "volumev3", "volume")),
        error_body=error_body,
        microversions=VERSIONS,
        health=volume.db.ping,
    )
    return ProjectPaths(application(api))


def prepare(volume: Volume, passwords: Any) -> None:
    """What a cloud has from its first start: the default volume type."""
    types.ensure_default(volume)
    group_types.ensure_default(volume)


def build_jobs(volume: Volume) -> JobRegistry:
    return jobs.registry()


def build_methods(volume: Volume) -> Mapping[str, Method]:
    """What the engine serves on the bus as host `engine`."""
    return methods.methods(volume)
