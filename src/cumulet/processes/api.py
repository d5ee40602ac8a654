"""An API worker: answers on the ports of all services."""

from __future__ import annotations

from pathlib import Path

from cumulet.kernel import http, logs, metrics, server
from cumulet.kernel.settings import Settings
from cumulet.processes import apps, lifeline, memory
from cumulet.processes.child import Announce
from cumulet.services import Listener


def _also(running: list[apps.Running]) -> list[tuple[Listener, apps.Wsgi]]:
    """The services' further ports."""
    return [(listener, _app(listener, one)) for one in running for listener in one.description.also]


def _app(listener: Listener, one: apps.Running) -> apps.Wsgi:
    if listener.build is None:
        return one.api.app()
    app: apps.Wsgi = getattr(one.description.load(), listener.build)(one.service)
    return app


def run(settings: Settings, role: str, life: int, announce: Announce) -> None:
    logs.start(role, settings.paths.logs)
    metrics.identify(role)
    lifeline.watch(life, settings)
    running = apps.build(settings)
    by_port: dict[int, apps.Wsgi]
    optional: set[int] = set()
    if settings.single_port is not None:
        under = {path: app for listener, app in _also(running) for path in listener.paths}
        by_port = {settings.single_port: http.mount({one.description.path: one.api.app() for one in running}, under)}
    else:
        by_port = {settings.port(one.description.port): one.api.app() for one in running}
        by_port |= {settings.port(listener.port): app for listener, app in _also(running)}
        optional = {
            settings.port(listener.port) for one in running for listener in one.description.also if listener.optional
        }
    tls = (Path(settings.tls_cert), Path(settings.tls_key)) if settings.tls_cert and settings.tls_key else None
    streaming = {
        settings.single_port or settings.port(one.description.port) for one in running if one.description.streaming
    }
    memory.trim()  # routes have been compiled
    server.serve(
        by_port,
        host=settings.host,
        threads=settings.threads,
        tls=tls,
        streaming=streaming,
        optional=optional,
        ready=announce.ready,
    )
