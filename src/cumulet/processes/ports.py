"""Which ports a cloud needs, and whether they are free."""

from __future__ import annotations

import socket

from cumulet import services
from cumulet.kernel.settings import Settings


class PortTaken(Exception):
    """Another program listens there."""


def of(settings: Settings) -> list[int]:
    if settings.single_port is not None:
        return [settings.single_port]
    found = services.enabled(settings.services)
    standard = [service.port for service in found]
    standard += [listener.port for service in found for listener in service.also if not listener.optional]
    return [settings.port(port) for port in standard]


def check_free(settings: Settings) -> None:
    """Raises PortTaken. The workers share their ports (SO_REUSEPORT), so two clouds of one user could get each other's
    requests unnoticed; binding without sharing tells."""
    for port in of(settings):
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.host, port))
            except OSError as error:
                raise PortTaken(
                    f"port {port} on {settings.host} cannot be used: {error.strerror}. Another program has it, "
                    "perhaps another cloud; --port-offset moves all ports of this one."
                ) from None
