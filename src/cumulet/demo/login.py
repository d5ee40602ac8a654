"""One user's login at a cloud, with the few calls the demo is made of. Only public APIs are used."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from cumulet.kernel.client import Response, Session, Transport
from cumulet.kernel.settings import Settings
from cumulet.processes import logins

_POLL_S = 0.1


class DemoError(Exception):
    """A step could not be done; the message is for the person who waits for it."""


class Login:
    """Calls by service type and path (`compute`, `/servers`), as `admin` or `demo`."""

    def __init__(self, settings: Settings, user: str) -> None:
        known = logins.credentials(settings, user)
        self._session = Session(
            Transport(ca_file=logins.certificate_of(settings)),
            auth_url=known["auth_url"],
            user=user,
            password=known["password"],
            project=user,
        )

    def call(self, method: str, service: str, path: str, *, expect: tuple[int, ...] = (), **rest: Any) -> Response:
        """The answer. DemoError with the service's own words unless it is a success or one of `expect`."""
        answer = self._session.request(method, service, path, **rest)
        if answer.status >= 300 and answer.status not in expect:
            words = answer.body.decode("utf-8", "replace").strip()
            raise DemoError(f"{method} {path} of {service} was refused with {answer.status}: {words[:500]}")
        return answer

    def show(self, service: str, path: str, **query: str) -> Any:
        """What the document is about: the server of `{"server": …}`."""
        answer = self.call("GET", service, f"{path}?{urlencode(query)}" if query else path)
        return _content(answer)

    def create(self, service: str, path: str, document: Mapping[str, Any], **rest: Any) -> Any:
        return _content(self.call("POST", service, path, json=document, **rest))

    def named(self, service: str, path: str, name: str) -> dict[str, Any] | None:
        """The thing of this name in a list, None without one."""
        found = [item for item in self.show(service, path, name=name) if item["name"] == name]
        return found[0] if found else None


def wait_for(what: str, seconds: float, look: Callable[[], Any]) -> Any:
    """The first true value of `look`. DemoError when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise DemoError(f"{what} is not there after {seconds:.0f} s; `cumulet logs` tells what the cloud did.")
        time.sleep(_POLL_S)
    return found


def _content(answer: Response) -> Any:
    """What a document is about; one with an id is bare (Image's) and its own content."""
    document = answer.json()
    if "id" in document:
        return document
    return next(value for name, value in document.items() if not name.endswith("_links") and not isinstance(value, str))
