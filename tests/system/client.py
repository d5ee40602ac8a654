"""The stock `openstack` client, loaded once: `client("server list")` is what a person would type after `openstack`."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.clients import OPENSTACK
from tests.system.cloud import Cloud, environment


class Refused(Exception):
    """The client ended with an error; the message is what it said."""


class Shell:
    """One user's shell, with the variables that log the client in."""

    def __init__(self, login: Mapping[str, str]) -> None:
        assert OPENSTACK is not None
        self._login = dict(login)
        loop = Path(__file__).with_name("client_loop.py")
        self._process = subprocess.Popen(
            [str(Path(OPENSTACK).with_name("python")), str(loop)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(),
        )

    def text(self, command: str, *more: str) -> str:
        """What the client prints. Refused when it fails. `more`: words with blanks in them."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        sent = {"words": [*shlex.split(command), *more], "environment": self._login}
        self._process.stdin.write(json.dumps(sent) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if answer["code"] != 0:
            raise Refused(f"openstack {command}: {answer['errors'] or answer['output']}")
        return str(answer["output"])

    def __call__(self, command: str, *more: str) -> Any:
        """What it prints as JSON, None when that is nothing."""
        printed = self.text(f"{command} -f json", *more)
        return json.loads(printed) if printed.strip() else None

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)


class OpenStack(Shell):
    """As after `eval "$(cumulet openrc --user …)"`."""

    def __init__(self, cloud: Cloud, user: str) -> None:
        lines = cloud.run("openrc", "--user", user).stdout.splitlines()
        exports = (shlex.split(line)[1].partition("=") for line in lines if line.startswith("export "))
        super().__init__({name: value for name, _, value in exports})
