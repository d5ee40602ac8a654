"""The services of one process, put together so that they reach each other in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from cumulet import services
from cumulet.kernel.client import Transport
from cumulet.kernel.environment import Environment
from cumulet.kernel.settings import Settings

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class LateApi:
    """A service's API, put together when it is first asked: a service may need another one while it is built."""

    def __init__(self, build: Callable[[], Wsgi]) -> None:
        self._build = build
        self._app: Wsgi | None = None
        self._lock = threading.Lock()

    def app(self) -> Wsgi:
        with self._lock:
            if self._app is None:
                self._app = self._build()
            return self._app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return (self._app or self.app())(environ, start_response)


@dataclass
class Running:
    """One service in this process: its description, what `build_service` made, its API."""

    description: services.Service
    service: Any
    api: LateApi


def build(settings: Settings) -> list[Running]:
    """Every enabled service. Call it after a fork: databases are opened."""
    transport = Transport(ca_file=settings.tls_cert)
    env = Environment(settings, transport)
    made: dict[str, Any] = {}
    running: list[Running] = []
    descriptions = services.enabled(settings.services)
    for description in descriptions:
        module = description.load()

        def build_api(module: Any = module, name: str = description.name) -> Wsgi:
            app: Wsgi = module.build_api(made[name])
            return app

        late = LateApi(build_api)
        transport.local[settings.url(description.port, description.path)] = late
        running.append(Running(description, None, late))
    for one in running:
        one.service = made[one.description.name] = one.description.load().build_service(env)
    return running
