"""`cumulet up`: start the cloud, or resume it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from cumulet import services as known_services
from cumulet.cli import down
from cumulet.cli.options import StateDir, fail, paths_of, program
from cumulet.kernel.paths import Paths
from cumulet.kernel.settings import Settings
from cumulet.processes import certificates, launch, logins, state

Opt = typer.Option
_OTHERS_START_S = 60.0
_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - recognised, not chosen


def up(
    state_dir: StateDir = None,
    detach: Annotated[bool, Opt("--detach", "-d", help="Return when every API answers.")] = False,
    simulate: Annotated[bool | None, Opt("--simulate/--real", help="Simulated hosts, guests and links.")] = None,
    host: Annotated[str | None, Opt(help="Address to listen on. Default: 127.0.0.1.")] = None,
    public_host: Annotated[str | None, Opt(help="Name or address of this cloud in its catalog.")] = None,
    port_offset: Annotated[int | None, Opt(min=0, max=50000, help="Added to every standard port.")] = None,
    single_port: Annotated[
        int | None,
        Opt(min=0, max=65535, help="All services under paths (/identity, …) on this port. 0: a port each."),
    ] = None,
    tls: Annotated[str | None, Opt(help="`self-signed`: HTTPS with a certificate made here; `off`: HTTP.")] = None,
    tls_cert: Annotated[Path | None, Opt(exists=True, dir_okay=False, help="HTTPS with this certificate.")] = None,
    tls_key: Annotated[Path | None, Opt(exists=True, dir_okay=False, help="The certificate's key.")] = None,
    workers: Annotated[int | None, Opt(min=0, help="API processes. Default: one a core, at most 4.")] = None,
    services: Annotated[str | None, Opt(help="Only these, by name, separated by commas; `all`: every one.")] = None,
    by_hand: Annotated[
        str | None,
        Opt(
            help="Start these services, `identity` first, and make no user or endpoint: that is done by hand, as the "
            "install guides do. In a cloud that is there already: add them."
        ),
    ] = None,
    config_file: Annotated[
        list[str] | None, Opt(help="PROJECT=PATH: a configuration file to read last, e.g. keystone=/etc/keystone.conf.")
    ] = None,
) -> None:
    """Start the cloud, or resume the one that is there. What was said at one start holds until it is said anew."""
    paths = paths_of(state_dir)
    paths.make()
    given: dict[str, Any] = {
        "simulate": simulate,
        "host": host,
        "public_host": public_host,
        "port_offset": port_offset,
        "workers": workers,
        "services": _service_names(services),
        "config_files": config_files(config_file),
    }
    before = Settings.load(paths) or Settings(state_dir=str(paths.state) if state_dir else None)
    settings = msgspec.structs.replace(before, **{k: v for k, v in given.items() if v is not None})
    if single_port is not None:
        settings = msgspec.structs.replace(settings, single_port=single_port or None)
    settings = _with_tls(settings, tls, tls_cert, tls_key)
    settings = _by_hand(settings, _service_names(by_hand), before)
    running = state.running(paths)
    if running is not None and by_hand is not None and settings.services != before.services:
        down.end(paths, running)
        running = None
    if running is not None:
        _say_running(paths)
        if settings != before:
            typer.echo("The other options count from the next start: `cumulet down`, then `cumulet up` with them.")
        return
    if settings.by_hand is None:
        settings = msgspec.structs.replace(settings, by_hand=False)
    settings.save()
    if settings.host in _EVERY_ADDRESS and settings.public_host is None:
        typer.echo("The catalog names 127.0.0.1; --public-host gives the name by which others reach this machine.")
    if detach:
        _detached(settings)
    else:
        from cumulet.cli import foreground

        foreground.run(settings)


def _detached(settings: Settings) -> None:
    started = time.monotonic()
    launched = launch.launch(settings)
    try:
        launched.wait_ready(on_step=lambda step: typer.echo(f"  {step}"))
    except launch.AlreadyRunning:
        _say_running(settings.paths)
        return
    except launch.StartFailed as error:
        fail(f"The cloud did not start: {error}")
    typer.echo(f"The cloud is up after {time.monotonic() - started:.1f} s.\n")
    typer.echo(next_steps(settings))


def next_steps(settings: Settings) -> str:
    """What to type now."""
    name = program()
    which = "" if settings.state_dir is None else f" --state-dir {settings.state_dir}"
    return "\n".join(
        [
            f'  eval "$({name} openrc{which})"',
            "  openstack catalog list",
            "",
            f"  clouds.yaml  {logins.clouds_file(settings.paths)}   (clouds `cumulet` and `demo`)",
            f"  status       {name} status{which}",
            f"  logs         {name} logs -f{which}",
            f"  end          {name} down{which}",
        ]
    )


def _say_running(paths: Paths) -> None:
    """Somebody else's `up` is no failure of this one; it returns when the cloud is there."""
    deadline = time.monotonic() + _OTHERS_START_S
    while (running := state.running(paths)) is not None and running.state == state.STARTING:
        if time.monotonic() > deadline:
            fail("The cloud is being started by another program, and not ready yet.")
        time.sleep(0.05)
    if running is None:
        fail("The cloud ended while it was being started by another program; `cumulet logs` says why.")
    typer.echo(f"The cloud is already {running.state} (supervisor {running.supervisor.pid}).")


def _by_hand(settings: Settings, added: tuple[str, ...] | None, before: Settings) -> Settings:
    """With the services of --by-hand. A cloud that was started without it goes on making what its services need."""
    if added is None:
        return settings
    if before.by_hand is None:
        return msgspec.structs.replace(settings, by_hand=True, services=added)
    everything = not added or not settings.services
    services = () if everything else (*settings.services, *(name for name in added if name not in settings.services))
    return msgspec.structs.replace(settings, services=services)


def _service_names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    if text == "all":
        return ()
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    try:
        known_services.enabled(names)
    except LookupError as error:
        fail(f"{error}. There are: {', '.join(service.name for service in known_services.SERVICES)}.")
    return names


def config_files(given: list[str] | None) -> dict[str, list[str]] | None:
    """PROJECT=PATH words by project; ends the program when one cannot be used."""
    if not given:
        return None
    files: dict[str, list[str]] = {}
    for text in given:
        project, separator, path = text.partition("=")
        if not separator or not Path(path).is_file():
            fail(f"--config-file {text}: write PROJECT=PATH with a file that exists, e.g. keystone=/etc/keystone.conf")
        files.setdefault(project, []).append(str(Path(path).absolute()))
    return files


def _with_tls(settings: Settings, tls: str | None, cert: Path | None, key: Path | None) -> Settings:
    if tls not in (None, "self-signed", "off"):
        fail("--tls is `self-signed` or `off`; your own certificate goes into --tls-cert and --tls-key.")
    if (cert is None) != (key is None):
        fail("--tls-cert and --tls-key belong together.")
    if cert is not None and key is not None:
        return msgspec.structs.replace(settings, tls_cert=str(cert.absolute()), tls_key=str(key.absolute()))
    if tls == "off":
        return msgspec.structs.replace(settings, tls_cert=None, tls_key=None)
    if tls == "self-signed" or logins.certificate_of(settings):
        names = certificates.names_of(settings.host, settings.public_host)
        own_cert, own_key = certificates.ensure(settings.paths.keys, names)
        return msgspec.structs.replace(settings, tls_cert=str(own_cert), tls_key=str(own_key))
    return settings
