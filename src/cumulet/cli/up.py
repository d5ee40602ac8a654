"""`cumulet up`: start the cloud, or resume it."""

from __future__ import annotations

import time
from typing import Annotated, Any

import msgspec
import typer

from cumulet.cli.options import StateDir, fail, paths_of
from cumulet.kernel.settings import Settings
from cumulet.processes import launch, state

Opt = typer.Option


def up(
    state_dir: StateDir = None,
    detach: Annotated[bool, Opt("--detach", "-d", help="Return when every API answers.")] = False,
    simulate: Annotated[bool | None, Opt("--simulate/--real", help="Simulated hosts, guests and links.")] = None,
    host: Annotated[str | None, Opt(help="Address to listen on. Default: 127.0.0.1.")] = None,
    public_host: Annotated[str | None, Opt(help="Name or address in the catalog.")] = None,
    port_offset: Annotated[int | None, Opt(help="Added to every standard port.")] = None,
    single_port: Annotated[int | None, Opt(help="All services under paths (/identity, …) on this port.")] = None,
    workers: Annotated[int | None, Opt(min=0, help="API processes. Default: one a core, at most 4.")] = None,
    services: Annotated[str | None, Opt(help="Only these, by name, separated by commas.")] = None,
) -> None:
    """Start the cloud, or resume the one that is there. What was said at the first start holds until said anew."""
    paths = paths_of(state_dir)
    paths.make()
    given: dict[str, Any] = {
        "simulate": simulate,
        "host": host,
        "public_host": public_host,
        "port_offset": port_offset,
        "single_port": single_port,
        "workers": workers,
        "services": tuple(services.split(",")) if services is not None else None,
    }
    before = Settings.load(paths) or Settings(state_dir=str(paths.state) if state_dir else None)
    settings = msgspec.structs.replace(before, **{k: v for k, v in given.items() if v is not None})
    if state.running(paths) is not None:
        typer.echo("The cloud is already running.")
        return
    settings.save()
    started = time.monotonic()
    launched = launch.launch(settings, foreground=not detach)
    try:
        launched.wait_ready(on_step=lambda step: typer.echo(f"  {step}"))
    except launch.StartFailed as error:
        fail(f"The cloud did not start: {error}")
    typer.echo(f"The cloud is up after {time.monotonic() - started:.1f} s.")
    if not detach:
        launched.process.wait()
