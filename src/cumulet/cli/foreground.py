"""`cumulet up` in the foreground: a live view; the cloud ends with this program, however it ends.

The supervisor holds one end of a pipe and this program the other. When this program is gone the kernel closes the pipe,
and the supervisor ends the cloud; when the supervisor is gone, this program starts another one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import typer

from cumulet.cli.options import fail
from cumulet.cli.status import describe
from cumulet.kernel.settings import Settings
from cumulet.processes import launch, state

_END_WITHIN_S = 20.0


class _Ended(Exception):
    """SIGINT or SIGTERM was received."""


def run(settings: Settings) -> None:
    def end(*_: Any) -> None:
        raise _Ended

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    launched: launch.Launched | None = None
    try:
        while True:
            started = time.monotonic()
            launched = launch.launch(settings, foreground=True)
            launched.wait_ready(on_step=lambda step: typer.echo(f"  {step}"))
            typer.echo(f"The cloud is up after {time.monotonic() - started:.1f} s. Ctrl-C ends it.\n")
            _watch(settings, launched.process)
            known = state.State.load(settings.paths)
            if known is None or known.state in (state.STOPPING, state.FAILED):
                break  # `cumulet down` from elsewhere
            typer.echo("The supervisor is gone; starting another one.")
            if launched.lifeline is not None:
                os.close(launched.lifeline)
    except launch.StartFailed as error:
        fail(f"The cloud did not start: {error}")
    except _Ended:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        typer.echo("\nEnding the cloud; requests under way finish first.")
        if launched is not None:
            _end(launched.process)
    typer.echo("The cloud is down.")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _watch(settings: Settings, process: subprocess.Popen[bytes]) -> None:
    """Show the cloud until its supervisor is gone."""
    if not sys.stdout.isatty():
        from cumulet.cli.up import next_steps

        typer.echo(next_steps(settings))
        process.wait()
        return
    from rich.live import Live

    from cumulet.cli.up import next_steps
    from cumulet.cli.view import whole

    def picture() -> Any:
        described = describe(settings, state.running(settings.paths))
        return whole(described, *next_steps(settings).splitlines(), "", "  Ctrl-C ends the cloud.")

    with Live(picture(), auto_refresh=False, vertical_overflow="visible") as live:
        while not _gone(process, within_s=1.0):
            live.update(picture(), refresh=True)


def _gone(process: subprocess.Popen[bytes], within_s: float) -> bool:
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        return False
    return True
