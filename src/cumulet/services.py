"""Every service there is: its name, its standard port, its place in the catalog, and where it is put together.

The modules are named, not imported, so that a process loads only the services it runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class CatalogEntry:
    """One catalog entry: `suffix` follows the service's URL and may hold `%(project_id)s`."""

    type: str
    name: str
    suffix: str = ""
    description: str = ""


@dataclass(frozen=True)
class Listener:
    """A further port of a service that has no place in the catalog. The service's module builds its WSGI callable by
    the function `build`; None: its API answers there too. `paths` are the first parts of its paths, by which
    --single-port tells its requests. The cloud does without an `optional` port that is taken."""

    port: int
    build: str | None = None
    paths: tuple[str, ...] = ()
    optional: bool = False


@dataclass(frozen=True)
class Service:
    """`module` has `SCHEMA`, `build_service(env)` (what it returns has `db`), `build_api(service)`, and may have
    `build_jobs(service)`, a JobRegistry for the engine, and `prepare(service, passwords)`, run before every start."""

    name: str  # the folder and the database: identity, compute
    project: str  # the code name and the configuration file: keystone, nova
    port: int
    path: str  # under --single-port
    catalog: tuple[CatalogEntry, ...]
    module: str
    user: str | None = None  # the service's own user in project `service`
    streaming: bool = False  # takes large bodies: one that breaks off must not pass for a whole one
    also: tuple[Listener, ...] = ()

    def load(self) -> Any:
        return import_module(self.module)

    def tables(self) -> Any:
        """The module with `metadata` and, for a service with jobs, `jobs`."""
        return import_module(f"{self.module.rpartition('.')[0]}.tables")


METADATA_PORT = 8775
OLD_ADMIN_PORT = 35357
"""Where Keystone answered administrators until 2018, and where install guides of that time still send everybody. The
system also gives it to outgoing connections, so it may be taken at any moment."""
METADATA_PATHS = (
    *("openstack", "ec2", "latest", "1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15"),
    *("2008-02-01", "2008-09-01", "2009-04-04"),
)
SERVICES: tuple[Service, ...] = (
    Service(
        "identity",
        "keystone",
        5000,
        "/identity",
        (CatalogEntry("identity", "keystone", "/v3", "OpenStack Identity"),),
        "cumulet.identity.app",
        also=(Listener(OLD_ADMIN_PORT, optional=True),),
    ),
    Service(
        "image",
        "glance",
        9292,
        "/image",
        (CatalogEntry("image", "glance", "", "OpenStack Image"),),
        "cumulet.image.app",
        user="glance",
        streaming=True,
    ),
    Service(
        "placement",
        "placement",
        8778,
        "/placement",
        (CatalogEntry("placement", "placement", "", "OpenStack Placement"),),
        "cumulet.placement.app",
        user="placement",
    ),
    Service(
        "network",
        "neutron",
        9696,
        "/networking",
        (CatalogEntry("network", "neutron", "", "OpenStack Networking"),),
        "cumulet.network.app",
        user="neutron",
    ),
    Service(
        "compute",
        "nova",
        8774,
        "/compute",
        (CatalogEntry("compute", "nova", "/v2.1", "OpenStack Compute"),),
        "cumulet.compute.app",
        user="nova",
        also=(Listener(METADATA_PORT, "build_metadata", METADATA_PATHS),),
    ),
    Service(
        "volume",
        "cinder",
        8776,
        "/volume",
        (
            CatalogEntry("block-storage", "cinder", "/v3/%(project_id)s", "OpenStack Block Storage"),
            CatalogEntry("volumev3", "cinderv3", "/v3/%(project_id)s", "OpenStack Block Storage"),
        ),
        "cumulet.volume.app",
        user="cinder",
    ),
)


def enabled(names: tuple[str, ...] = ()) -> tuple[Service, ...]:
    """The services called `names`, all of them without names. Raises LookupError for an unknown one."""
    unknown = set(names) - {service.name for service in SERVICES}
    if unknown:
        raise LookupError(f"there is no service called {', '.join(sorted(unknown))}")
    return tuple(service for service in SERVICES if not names or service.name in names)
