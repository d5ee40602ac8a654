"""`cumulet join`: this machine as one more host of a cloud that runs elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from cumulet.cli.options import StateDir, fail, paths_of
from cumulet.kernel.settings import Settings

Opt = typer.Option
_AGAIN_S = (0.5, 1.0, 2.0, 5.0, 10.0)
_STEADY_S = 60.0  # who ran this long starts anew with the shortest wait


def join(
    state_dir: StateDir = None,
    host: Annotated[
        str | None, Opt(help="The host's name in the cloud. Default: what the system calls itself.")
    ] = None,
    bus: Annotated[Path | None, Opt(help="Without a broker: DIR/run/bus of a cloud on this same machine.")] = None,
    simulate: Annotated[bool, Opt("--simulate", help="Play a host instead of being one.")] = False,
    services: Annotated[str | None, Opt(help="Whose agents: network, compute, volume. Default: all.")] = None,
    config_file: Annotated[
        list[str] | None,
        Opt(help="PROJECT=PATH, as for `up`: neutron=…, nova=…; transport_url in them finds the cloud."),
    ] = None,
    leave: Annotated[
        bool, Opt("--leave", help="Take away what the agents have made on this machine, and end.")
    ] = False,
) -> None:
    """Run this machine's network, compute and volume agents until a signal ends them; one that dies starts again."""
    from cumulet.cli.up import config_files

    paths = paths_of(state_dir)
    paths.make()
    settings = Settings.load(paths) or Settings(state_dir=str(paths.state) if state_dir else None)
    files = config_files(config_file)
    if files:
        settings = msgspec.structs.replace(settings, config_files=files)
    settings.save()
    if not simulate and os.geteuid() != 0:
        fail("A real host needs root: it makes bridges, namespaces and guests. --simulate plays one.")
    words: list[str] = []
    for option, value in (("--state-dir", state_dir), ("--host", host), ("--services", services), ("--bus", bus)):
        words += [option, str(value)] if value is not None else []
    words += ["--simulate"] if simulate else []
    if leave:
        raise typer.Exit(_agent([*words, "--leave"]).wait())
    _keep_running(words)


def _agent(words: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "cumulet.agents.host", *words])  # noqa: S603 - no shell, own module


def _keep_running(words: list[str]) -> None:
    ended = False

    def end(*_: Any) -> None:
        nonlocal ended
        ended = True
        child.terminate()

    failures = 0
    child = _agent(words)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    typer.echo("The agents of this machine run; their log is in the state directory. Ctrl-C ends them.")
    while True:
        started = time.monotonic()
        code = child.wait()
        if ended:
            return
        failures = 0 if time.monotonic() - started > _STEADY_S else failures + 1
        pause = _AGAIN_S[min(failures, len(_AGAIN_S) - 1)]
        typer.echo(f"The agents ended with {code}; they start again in {pause:g} s.", err=True)
        time.sleep(pause)
        if ended:
            return
        child = _agent(words)
