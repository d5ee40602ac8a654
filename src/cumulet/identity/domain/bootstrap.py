"""The first things in a cloud, without which nobody could log in to make others: `keystone-manage bootstrap`.

Running it again changes nothing but what is missing or different, and lets an administrator who is locked out back in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

from cumulet import services as known_services
from cumulet.identity.domain import seeding, users
from cumulet.identity.domain.passwords import Passwords
from cumulet.identity.domain.seeding import Hashes, Wanted, WantedService, WantedUser
from cumulet.identity.service import Identity
from cumulet.kernel.settings import Settings

MANAGER, MEMBER, READER, SERVICE = "manager", "member", "reader", "service"
INTERFACES = ("public", "internal", "admin")
DEMO = "demo"
SERVICE_PROJECT = "service"
_BOOTSTRAP_PROJECT = "Bootstrap project for initializing the cloud."
_MACHINE_USER = {
    # A service cannot change its password when it has expired, and must not be locked out by a stranger's guesses.
    "ignore_change_password_upon_first_use": True,
    "ignore_password_expiry": True,
    "ignore_lockout_failure_attempts": True,
}
_RANDOM_ROUNDS = 4
"""bcrypt's work factor for passwords of 144 random bits, where guessing is hopeless however fast it is: ten services
that log in at a start would otherwise spend seconds on it."""


@dataclass(frozen=True)
class BootstrapOptions:
    """As `keystone-manage bootstrap` takes them. An interface without a URL gets no endpoint."""

    admin_password: str
    admin_username: str = "admin"
    admin_project: str = "admin"
    admin_role: str = "admin"
    region: str | None = None
    public_url: str | None = None
    internal_url: str | None = None
    admin_url: str | None = None
    service_name: str = "keystone"
    immutable_roles: bool = True
    services: tuple[WantedService, ...] = ()

    def wanted(self, identity: Identity) -> Wanted:
        urls = dict(zip(INTERFACES, (self.public_url, self.internal_url, self.admin_url), strict=True))
        own = WantedService("identity", self.service_name, {name: url for name, url in urls.items() if url})
        catalog = (own, *self.services) if own.urls else self.services
        chain = (self.admin_role, MANAGER, MEMBER, READER)
        grants = ((self.admin_role, self.admin_project), (self.admin_role, None))
        return Wanted(
            domain_id=identity.conf.identity.default_domain_id,
            projects={self.admin_project: _BOOTSTRAP_PROJECT},
            roles=(*chain, SERVICE),
            implications=tuple(pairwise(chain)),
            users=(WantedUser(self.admin_username, grants),),
            region=self.region,
            services=catalog,
            immutable_roles=self.immutable_roles,
        )


def bootstrap(identity: Identity, options: BootstrapOptions) -> None:
    """Make the default domain, roles, admin user and project, region and Identity's catalog entry.

    An admin user who is there gets the password (ending the tokens of the old one) and is enabled, if need be.
    """
    wanted = options.wanted(identity)
    with identity.db.read() as connection:
        known = seeding.user_named(connection, wanted.domain_id, options.admin_username)
    seeding.seed(
        identity, wanted, lambda names: {name: identity.passwords.hash(options.admin_password) for name in names}
    )
    if known is None:
        return
    changes: dict[str, object] = {} if known.enabled else {"enabled": True}
    if not identity.passwords.verify(known.id, known.password_hash, options.admin_password):
        changes["password"] = options.admin_password
    if changes:
        users.update(identity, known.id, changes, {})


def ensure_cloud(
    identity: Identity,
    settings: Settings,
    services: Iterable[known_services.Service],
    passwords: Mapping[str, str],
) -> None:
    """What every cloud of ours has: the bootstrap, a user for each service, the whole catalog, and at first a demo.

    `passwords` (user name -> password, made at random) are those of users that have to be made; who is there keeps
    the password. The project and user `demo` are made together with the cloud and never again.

    In a cloud that is made by hand there is nothing of it but what completes what an administrator made.
    """
    enabled = tuple(services)
    if settings.by_hand:
        _complete(identity, settings.region, enabled)
        return
    options = BootstrapOptions(
        admin_password=passwords["admin"],
        region=settings.region,
        services=tuple(entry for service in enabled for entry in _entries(settings, service)),
    )
    wanted = options.wanted(identity)
    machines = _machines(enabled)
    demo: tuple[WantedUser, ...] = ()
    projects = dict(wanted.projects)
    if machines:  # else it stays to be made by who installs further services by hand, as the install guides do
        projects[SERVICE_PROJECT] = "Users of the cloud's own services."
    if seeding.is_empty(identity, wanted.domain_id):
        demo = (WantedUser(DEMO, ((MEMBER, DEMO), (READER, DEMO))),)
        projects[DEMO] = "A project to try things in."
    everyone = (*wanted.users, *machines, *demo)
    hash_for = _hashing(identity.passwords, passwords, frozenset(user.name for user in machines))
    seeding.seed(identity, replace(wanted, projects=projects, users=everyone, by_a_start=True), hash_for)


def _machines(enabled: Iterable[known_services.Service]) -> tuple[WantedUser, ...]:
    """The services' own users."""
    grants = (("admin", SERVICE_PROJECT), (SERVICE, SERVICE_PROJECT))
    return tuple(WantedUser(service.user, grants, _MACHINE_USER) for service in enabled if service.user)


def _complete(identity: Identity, region: str, enabled: Iterable[known_services.Service]) -> None:
    """The domain that the original's tables begin with, and the region, for which today's client asks before it makes
    an endpoint there. Once an administrator has made the role `admin`: the roles that rules ask for beside it, and for
    the users of services what their work takes."""
    options = BootstrapOptions(admin_password="", region=region)
    helped = tuple(replace(user, grants=((SERVICE, SERVICE_PROJECT),)) for user in _machines(enabled))
    wanted = replace(options.wanted(identity), projects={SERVICE_PROJECT: ""}, users=helped)
    there = seeding.present(identity, wanted)
    if options.admin_role not in there.roles:
        wanted = replace(wanted, roles=(), implications=())
    if not (there.projects and wanted.roles):
        wanted = replace(wanted, projects={}, users=())
    known = tuple(user for user in wanted.users if user.name in there.users)
    seeding.seed(identity, replace(wanted, users=known), dict.fromkeys)


def _entries(settings: Settings, service: known_services.Service) -> list[WantedService]:
    base = settings.url(service.port, service.path)
    return [
        WantedService(entry.type, entry.name, dict.fromkeys(INTERFACES, base + entry.suffix), entry.description or None)
        for entry in service.catalog
    ]


def _hashing(
    people: Passwords, passwords: Mapping[str, str], machines: frozenset[str] = frozenset()
) -> Callable[[Iterable[str]], Hashes]:
    light = Passwords(_RANDOM_ROUNDS)

    def hash_one(name: str) -> tuple[str, str]:
        return name, (light if name in machines else people).hash(passwords[name])

    def hash_all(names: Iterable[str]) -> Hashes:
        with ThreadPoolExecutor() as pool:  # bcrypt runs without Python's lock
            return dict(pool.map(hash_one, names))

    return hash_all
