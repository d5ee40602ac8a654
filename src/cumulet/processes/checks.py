"""What a host must have: each check says in plain words what is wrong and how to put it right."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from cumulet import services
from cumulet.agents.compute.qemu import accelerator
from cumulet.kernel import config
from cumulet.kernel.paths import Paths
from cumulet.kernel.settings import Settings
from cumulet.processes import ports

OK, WARNING, PROBLEM = "ok", "warning", "problem"
_LOW_DISK = 2 << 30  # bytes
_NEEDED_FOR_REAL = {
    "qemu-system-x86_64": ("qemu-system-x86", "runs the virtual machines"),
    "qemu-img": ("qemu-utils", "prepares their disks"),
    "qemu-storage-daemon": ("qemu-system-common", "hands disks to other hosts"),
    "nft": ("nftables", "is the packet filter of security groups and routers"),
    "dnsmasq": ("dnsmasq-base", "gives servers their addresses"),
    "ip": ("iproute2", "shows networks"),
    "conntrack": ("conntrack", "ends connections a rule no longer allows"),
}
_NEEDED_FOR_SOME = {
    "debugfs": ("e2fsprogs", "servers as containers (virt_type = lxc)"),
    "mkswap": ("util-linux", "flavors with swap"),
}
_SCREENS = (Path("/usr/share/novnc"), Path("/usr/local/share/novnc"))
_FIRMWARE = Path("/usr/share/OVMF")
_HOSTED = ("compute", "network", "volume")  # services whose agents work on the host itself


class Check(msgspec.Struct, kw_only=True):
    """One finding. `fix` is what to type or change."""

    name: str
    state: str
    says: str
    fix: str | None = None


def run(settings: Settings, *, running: bool) -> Iterator[Check]:
    """Every check that this cloud's settings call for."""
    yield _python()
    yield from _directories(settings.paths)
    if not running:
        yield _ports(settings)
    for service in services.enabled(settings.services):
        yield from _configuration(settings, service.project)
    yield from _admin_token(settings)
    yield from _tls(settings)
    if not settings.simulate and any(service.name in _HOSTED for service in services.enabled(settings.services)):
        yield from _real_host()
    if not settings.simulate and any(service.name == "volume" for service in services.enabled(settings.services)):
        yield from _volume_backends(settings)


def _python() -> Check:
    return Check(name="python", state=OK, says=f"{'.'.join(map(str, sys.version_info[:3]))} at {sys.executable}")


def _directories(paths: Paths) -> Iterator[Check]:
    for directory in dict.fromkeys((paths.state, paths.config, paths.logs, paths.run)):
        name = f"directory {directory}"
        existing = next(parent for parent in (directory, *directory.parents) if parent.exists())
        if not os.access(existing, os.W_OK | os.X_OK):
            yield Check(
                name=name,
                state=PROBLEM,
                says=f"{existing} cannot be written by this user",
                fix="run as the user that owns it, or choose another place with --state-dir",
            )
        elif directory.exists() and directory.stat().st_mode & 0o077:
            yield Check(name=name, state=WARNING, says="other users can look into it", fix=f"chmod 700 {directory}")
        else:
            yield Check(name=name, state=OK, says="usable")
    existing = next(parent for parent in (paths.state, *paths.state.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < _LOW_DISK:
        yield Check(
            name="disk space",
            state=WARNING,
            says=f"only {free / 1e9:.1f} GB are free at {existing}",
            fix="make room, or choose another place with --state-dir",
        )
    else:
        yield Check(name="disk space", state=OK, says=f"{free / 1e9:.0f} GB free")


def _ports(settings: Settings) -> Check:
    try:
        ports.check_free(settings)
    except ports.PortTaken as error:
        return Check(name="ports", state=PROBLEM, says=str(error), fix="cumulet up --port-offset 10000")
    listed = ", ".join(map(str, ports.of(settings)))
    return Check(name="ports", state=OK, says=f"free: {listed}")


def _configuration(settings: Settings, project: str) -> Iterator[Check]:
    from oslo_config import cfg

    files = settings.files_of(project)
    name = f"configuration of {project}"
    try:
        conf = config.load(project, files)
    except cfg.Error as error:
        yield Check(name=name, state=PROBLEM, says=str(error), fix="correct the file")
        return
    yield Check(name=name, state=OK, says=", ".join(map(str, files)) or "none; defaults are used")
    if conf.database.connection:
        yield _reachable(f"database of {project}", conf.database.connection, {"mysql": 3306, "postgresql": 5432})
    if conf.transport_url:
        yield _reachable(f"message broker of {project}", conf.transport_url, {"rabbit": 5672, "amqp": 5672})


def _admin_token(settings: Settings) -> Iterator[Check]:
    from oslo_config import cfg

    with contextlib.suppress(cfg.Error):  # said by _configuration
        conf = config.load("keystone", settings.files_of("keystone"))
        conf.register_opt(cfg.StrOpt("admin_token", secret=True))
        if conf.admin_token:
            yield Check(
                name="admin_token",
                state=WARNING,
                says="who knows the admin_token of keystone.conf may do everything in Identity",
                fix="take its line out once an administrator can log in, then `cumulet down` and `cumulet up`",
            )


def _reachable(name: str, url: str, standard_ports: dict[str, int]) -> Check:
    """Whether something listens where a URL points; the URL itself is never shown, for it holds a password."""
    parts = urlsplit(url)
    kind = parts.scheme.partition("+")[0]
    if kind == "sqlite":
        return Check(name=name, state=OK, says="an SQLite file")
    host, port = parts.hostname or "localhost", parts.port or standard_ports.get(kind, 0)
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError as error:
        return Check(
            name=name,
            state=PROBLEM,
            says=f"{host}:{port} does not answer: {error.strerror or error}",
            fix="start that server, or correct the URL in the configuration",
        )
    return Check(name=name, state=OK, says=f"{host}:{port} answers")


def _tls(settings: Settings) -> Iterator[Check]:
    outside = settings.host not in ("127.0.0.1", "::1", "localhost")
    if outside and not settings.tls_cert:
        yield Check(
            name="encryption",
            state=WARNING,
            says=f"passwords and tokens travel in the clear on {settings.host}",
            fix="cumulet up --tls self-signed, or --tls-cert and --tls-key",
        )
    for file in (settings.tls_cert, settings.tls_key):
        if file and not os.access(file, os.R_OK):
            yield Check(
                name="encryption", state=PROBLEM, says=f"{file} cannot be read", fix="correct --tls-cert/--tls-key"
            )


def _real_host() -> Iterator[Check]:
    if os.geteuid() != 0:
        yield Check(
            name="privileges",
            state=PROBLEM,
            says="real servers and networks need root",
            fix="run as root, or use `cumulet up --simulate`",
        )
    for program, (package, purpose) in _NEEDED_FOR_REAL.items():
        if _which(program):
            yield Check(name=program, state=OK, says=purpose)
        else:
            yield Check(name=program, state=PROBLEM, says=f"missing; it {purpose}", fix=f"apt-get install {package}")
    if importlib.util.find_spec("pyroute2") is None:
        yield Check(
            name="pyroute2", state=PROBLEM, says="missing; it sets up networks", fix="pip install 'cumulet[host]'"
        )
    for program, (package, purpose) in _NEEDED_FOR_SOME.items():
        if not _which(program):
            missing = f"missing; without it there are no {purpose}"
            yield Check(name=program, state=WARNING, says=missing, fix=f"apt-get install {package}")
    if not _FIRMWARE.is_dir():
        missing = "no UEFI for guests whose image asks for it (hw_firmware_type)"
        yield Check(name="firmware", state=WARNING, says=missing, fix="apt-get install ovmf")
    if not any(place.is_dir() for place in _SCREENS):
        missing = "no pages to look at guests' screens in a browser (openstack console url show)"
        yield Check(name="noVNC", state=WARNING, says=missing, fix="apt-get install novnc")
    if not Path("/dev/net/tun").exists():
        yield Check(name="/dev/net/tun", state=PROBLEM, says="missing; guests' cards need it", fix="modprobe tun")
    yield _virtualisation()


def _volume_backends(settings: Settings) -> Iterator[Check]:
    """Whether the back ends that cinder.conf names can work on this host."""
    from oslo_config import cfg

    from cumulet.agents.volume import options

    try:
        states = options.states_of(options.load(settings.files_of("cinder")))
    except cfg.Error:
        return  # said above, with the configuration itself
    for name, trouble in states.items():
        if trouble is None:
            yield Check(name=f"volume back end {name}", state=OK, says="usable")
        else:
            yield Check(name=f"volume back end {name}", state=PROBLEM, says=trouble, fix="correct cinder.conf")


def _which(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _virtualisation() -> Check:
    """A trial, not only a look: on some machines /dev/kvm opens and no guest runs."""
    if _which("qemu-system-x86_64") and accelerator.has_kvm():
        return Check(name="virtualisation", state=OK, says="the processor runs guests itself (KVM)")
    return Check(
        name="virtualisation",
        state=WARNING,
        says="guests are emulated (QEMU without KVM), about ten times slower",
        fix="enable virtualisation in the firmware or of the host around this one, or take containers: "
        "virt_type = lxc below [libvirt] in nova.conf",
    )
