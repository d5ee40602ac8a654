"""A web server for imports and remote locations: files, redirects, and answers that break off."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Web:
    """`files` are served at their paths; `redirects` lead elsewhere; `asked` are the requests that came."""

    port: int
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    """Paths whose answer ends after so many bytes of the length it announced."""
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    before_answer: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving_web() -> Iterator[Web]:
    web = Web(0)
    web.before_answer.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def _answer(self, *, with_body: bool) -> None:
            path = self.path.partition("?")[0]
            web.asked.append((self.command, self.path, {name.lower(): value for name, value in self.headers.items()}))
            web.arrived.set()
            if path in web.redirects:
                self.send_response(302)
                self.send_header("Location", web.redirects[path])
                self.end_headers()
                return
            if path not in web.files:
                self.send_error(404)
                return
            data = web.files[path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if with_body:
                web.before_answer.wait(20)
                self.wfile.write(data[: web.broken.get(path)])

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield web
    finally:
        web.before_answer.set()
        server.shutdown()
        thread.join()
        server.server_close()
