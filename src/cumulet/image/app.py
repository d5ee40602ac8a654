"""Image (Glance), put together: options, database, rules, stores, routes, jobs."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from oslo_config import cfg

from cumulet.image import jobs, options, policies, tables
from cumulet.image.bodies import MAX_BODY
from cumulet.image.domain import recovery
from cumulet.image.domain.metadefs import standard
from cumulet.image.errors import error_body, error_form
from cumulet.image.handlers import versions
from cumulet.image.limits import Limits
from cumulet.image.protections import PropertyProtections
from cumulet.image.routes import ROUTES
from cumulet.image.service import ImageService
from cumulet.image.stores import registry
from cumulet.image.stores.files import FileStore
from cumulet.image.transfer.filtering import ImportFilter
from cumulet.image.views import ImageView
from cumulet.kernel import clock
from cumulet.kernel.environment import Environment
from cumulet.kernel.http import Api, application
from cumulet.kernel.jobs import JobRegistry
from cumulet.kernel.migrate import Schema
from cumulet.kernel.policy import Policy
from cumulet.kernel.vault import Vault

LOG = logging.getLogger(__name__)
REFUSAL = "You are not authorized to complete {rule} action."
SCHEMA = Schema("image", "cumulet.image.migrations")
JOBS = tables.jobs
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def build_service(env: Environment) -> ImageService:
    conf = env.config("glance")
    options.register(conf)
    policy = Policy(conf, policies.rules(), config_dir=env.paths.config / "glance", refusal=REFUSAL)
    filtering = ImportFilter(conf.import_filtering_opts)
    stores = registry.build(conf, env.paths.state, filtering)
    return ImageService(
        env=env,
        conf=conf,
        db=env.database("image", conf),
        policy=policy,
        now=clock.now,
        stores=stores,
        filtering=filtering,
        view=ImageView(conf, multiple_stores=stores.multiple, weights=stores.weights),
        protections=_protections(conf, env, policy),
        limits=Limits.build(env, conf),
        vault=Vault(env.paths.keys / "image-tasks.key"),
        node=conf.worker_self_reference_url or socket.gethostname(),
        cache=FileStore("cache", Path(conf.image_cache_dir)) if conf.image_cache_dir else None,
    )


def _protections(conf: cfg.ConfigOpts, env: Environment, policy: Policy) -> PropertyProtections | None:
    if not conf.property_protection_file:
        return None
    path = Path(conf.property_protection_file)
    if not path.is_absolute():
        path = env.paths.config / "glance" / path
    return PropertyProtections.load(path, by_policy=conf.property_protection_rule_format == "policies", policy=policy)


def build_api(image: ImageService) -> Wsgi:
    recovery.recover(image)
    app = application(
        Api(
            name="image",
            service=image,
            routes=ROUTES,
            authenticate=image.env.authenticator("image"),
            error_body=error_body,
            error_form=error_form,
            health=image.db.ping,
            max_body=MAX_BODY,
        )
    )
    return versions.negotiated(app, image)


def prepare(image: ImageService, passwords: Any) -> None:
    """What a cloud has from its first start: the standard metadata definitions."""
    standard.ensure(image)


def build_jobs(image: ImageService) -> JobRegistry:
    return jobs.registry()
