"""A headless Chromium, driven over its DevTools protocol: pages are opened, asked and typed into.

Source: Chrome DevTools Protocol (Target, Page, Runtime, Input).
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from websockets.sync.client import ClientConnection, connect

_NAMES: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PROGRAM: Final = next((found for name in _NAMES if (found := shutil.which(name))), None)
MISSING: Final = None if PROGRAM else "not installed: chromium-headless-shell (scripts/packages test)"
_START_S: Final = 60.0
_ANSWER_S: Final = 60.0


class Page:
    """One page. Pages of different `Browser.person`s share no cookies."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.ask(method, parameters, self._session)

    def value(self, expression: str) -> Any:
        """Of a JavaScript expression, or of the promise that it makes; None where it raises."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return None if "exceptionDetails" in found else found["result"].get("value")

    def type(self, text: str) -> None:
        """Press and let go of the key of each character."""
        for character in text:
            key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
            if character != "\n":
                code = f"Key{character.upper()}" if character.isalpha() else f"Digit{character}"
                key = {"key": character, "code": code, "windowsVirtualKeyCode": ord(character.upper())}
                key["text"] = character
            self.ask("Input.dispatchKeyEvent", type="keyDown", **key)
            self.ask("Input.dispatchKeyEvent", type="keyUp", **key)

    def picture(self) -> bytes:
        """A PNG of what is to be seen."""
        return base64.b64decode(self.ask("Page.captureScreenshot")["data"])


class Browser:
    """`with a_browser() as browser: browser.open(address).value("document.title")`."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)

    def ask(self, method: str, parameters: dict[str, Any] | None = None, session: str | None = None) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters or {}}
        self._connection.send(json.dumps(message | ({"sessionId": session} if session else {})))
        deadline = time.monotonic() + _ANSWER_S
        while True:
            answer = json.loads(self._connection.recv(timeout=max(0.1, deadline - time.monotonic())))
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                return dict(answer["result"])

    def person(self) -> str:
        """Somebody else, with cookies of his own."""
        return str(self.ask("Target.createBrowserContext")["browserContextId"])

    def open(self, address: str, person: str | None = None) -> Page:
        whose = {"browserContextId": person} if person else {}
        target = self.ask("Target.createTarget", {"url": address, **whose})["targetId"]
        page = Page(self, self.ask("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"])
        page.ask("Emulation.setFocusEmulationEnabled", enabled=True)  # what is typed reaches it
        return page


@contextlib.contextmanager
def a_browser() -> Iterator[Browser]:
    """Nothing is left of it: neither processes nor its profile."""
    assert PROGRAM is not None, MISSING
    with tempfile.TemporaryDirectory(prefix="browser", ignore_cleanup_errors=True) as profile:
        words = [PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
        words += ["--no-first-run", "--disable-dev-shm-usage", "--window-size=1000,800"]
        words += [f"--user-data-dir={profile}", "about:blank"]
        said = Path(profile) / "said"
        with said.open("wb") as output:
            process = subprocess.Popen(words, stdout=output, stderr=output, start_new_session=True)
        try:
            address = _address(Path(profile), process, said)
            with connect(address, max_size=None, compression=None, open_timeout=_START_S) as connection:
                yield Browser(connection)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


def _address(profile: Path, process: subprocess.Popen[bytes], said: Path) -> str:
    """Where it takes commands, as soon as it does."""
    file, deadline = profile / "DevToolsActivePort", time.monotonic() + _START_S
    while True:
        assert process.poll() is None, said.read_text(errors="replace")[-2000:]
        assert time.monotonic() < deadline, f"the browser does not start: {said.read_text(errors='replace')[-2000:]}"
        with contextlib.suppress(OSError, ValueError):
            port, path = file.read_text().split()
            return f"ws://127.0.0.1:{port}{path}"
        time.sleep(0.1)
