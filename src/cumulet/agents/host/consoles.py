"""The console proxies as a part of a host's process: it is root's, as guests' console sockets are."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from websockets.sync.server import Server

from cumulet.agents.compute.consoles.proxy import ConsoleProxy
from cumulet.kernel.bus import Method

log = logging.getLogger(__name__)


class ConsolePart:
    """Serves proxies on ports until the end. A port that somebody else has is told in the log and left."""

    def __init__(self, host: str, proxies: Mapping[int, ConsoleProxy]) -> None:
        self._host = host
        self._proxies = proxies

    def methods(self) -> Mapping[str, Method]:
        return {}

    def run(self, stop: threading.Event) -> None:
        servers: list[Server] = []
        for port, proxy in self._proxies.items():
            try:
                servers.append(proxy.listen(self._host, port))
            except OSError as error:
                log.error("consoles are not served on port %s: %s", port, error)
        threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in servers]
        for thread in threads:
            thread.start()
        stop.wait()
        for server in servers:
            server.shutdown()
