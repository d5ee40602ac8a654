"""`cumulet demo`: the install guides' first server, step by step; again: nothing changes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cumulet.cli.options import StateDir, fail, settings_of
from cumulet.kernel.client import Unreachable
from cumulet.kernel.settings import Settings
from cumulet.processes import logins

if TYPE_CHECKING:
    from cumulet.demo.walk import Plan

_SIMULATED_CIDR = "172.24.4.0/24"
_OUTSIDE_S = 30.0


def demo(
    state_dir: StateDir = None,
    guest: Annotated[
        Path | None,
        typer.Option(envvar="CUMULET_GUEST_DIR", help="Directory that scripts/guest filled. Not for simulated hosts."),
    ] = None,
) -> None:
    """Flavors, image, networks, security group, key pair, a server and its floating IP, as in the install guides."""
    from cumulet.demo.login import DemoError, Login
    from cumulet.demo.walk import USER, walk

    settings = settings_of(state_dir)
    started = time.monotonic()

    def say(step: str) -> None:
        typer.echo(f"  {time.monotonic() - started:5.1f} s  {step}")

    try:
        admin, user = Login(settings, logins.ADMIN), Login(settings, logins.DEMO)
        plan = _plan(settings, guest)
        result = walk(admin, user, plan, say)
    except (DemoError, Unreachable, LookupError) as error:
        fail(f"The demo stopped: {error}")
    typer.echo(f"\ndemo-server runs after {time.monotonic() - started:.1f} s, {result.fixed_ip} inside.")
    if settings.simulate:
        typer.echo(f"Its floating IP is {result.floating_ip}; a simulated server has nobody to log in to.")
    else:
        typer.echo(f"\n  ssh -i {plan.key_file} {USER}@{result.floating_ip}")


def _plan(settings: Settings, guest: Path | None) -> Plan:
    from cumulet.demo import images
    from cumulet.demo.login import DemoError, wait_for
    from cumulet.demo.walk import Plan

    key_file = settings.paths.keys / "demo_key"
    if settings.simulate:
        return Plan(_SIMULATED_CIDR, "public", None, key_file)
    from cumulet.agents.network import outside

    folder = guest or Path("~/.cache/cumulet/guest").expanduser()
    missing = [name for name in images.files() if not (folder / name).exists()]
    if missing:
        raise DemoError(f"{folder} has no {', '.join(missing)}; scripts/guest makes them.")
    directory = settings.paths.state / "agents" / "network"
    way_out = wait_for("The host's way out", _OUTSIDE_S, lambda: outside.remembered(directory))
    return Plan(way_out.cidr, outside.PHYSICAL_NETWORK, folder, key_file)
