"""What is asked of the agent in a guest, which may refuse, or not be there."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.agents.compute.folders import Record
from cumulet.agents.compute.qemu import command, guest_agent
from tests.agents.compute.support import a_guest


class Inside:
    """An agent that does what it is told, but for what it is to refuse: how often, by command."""

    def __init__(self, path: Path) -> None:
        self.asked: list[dict[str, Any]] = []
        self.refuses: dict[str, int] = {}
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                for line in lines:
                    connection.sendall(self._answer(json.loads(line.lstrip(b"\xff"))))

    def _answer(self, told: dict[str, Any]) -> bytes:
        name = told["execute"]
        if name == "guest-sync-delimited":
            return b'{"return": "of somebody before"}\n\xff' + self._line({"return": told["arguments"]["id"]})
        self.asked.append(told)
        if self.refuses.get(name, 0):
            self.refuses[name] -= 1
            return self._line({"error": {"class": "GenericError", "desc": f"{name} is not for you"}})
        return self._line({"return": {}})

    @staticmethod
    def _line(message: dict[str, Any]) -> bytes:
        return json.dumps(message).encode() + b"\n"

    def names(self) -> list[str]:
        return [told["execute"] for told in self.asked]


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    made = Inside(tmp_path / command.AGENT)
    try:
        yield made
    finally:
        made.close()


def a_record(*, agent: bool = True, **image: str) -> Record:
    return Record(guest=a_guest("x", dict(image)), machine={"agent": agent})


def test_a_password_is_set_for_the_images_user(tmp_path: Path, inside: Inside) -> None:
    guest_agent.set_password(tmp_path, a_record(os_admin_user="debian"), "päss")
    guest_agent.set_password(tmp_path, a_record(), "x")
    arguments = [told["arguments"] for told in inside.asked]
    assert arguments[0] == {"username": "debian", "password": "cMOkc3M=", "crypted": False}
    assert arguments[1]["username"] == "root"
    inside.refuses["guest-set-user-password"] = 1
    with pytest.raises(RuntimeError, match="refused: guest-set-user-password is not for you"):
        guest_agent.set_password(tmp_path, a_record(), "x")


def test_a_guest_without_an_agent_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(guest_agent.NoGuestAgent, match="hw_qemu_guest_agent=yes"):
        guest_agent.set_password(tmp_path, a_record(agent=False), "x")
    with pytest.raises(guest_agent.NoGuestAgent, match="does not answer"):
        guest_agent.set_password(tmp_path, a_record(), "x")


def test_file_systems_rest_while_they_are_copied(tmp_path: Path, inside: Inside) -> None:
    with guest_agent.frozen(tmp_path, a_record()):
        assert inside.names() == ["guest-fsfreeze-freeze"]
    assert inside.names() == ["guest-fsfreeze-freeze", "guest-fsfreeze-thaw"]


def test_they_are_thawed_in_any_case(tmp_path: Path, inside: Inside) -> None:
    inside.refuses["guest-fsfreeze-thaw"] = 2
    with pytest.raises(LookupError), guest_agent.frozen(tmp_path, a_record()):
        raise LookupError
    assert inside.names() == ["guest-fsfreeze-freeze", *["guest-fsfreeze-thaw"] * 3]


def test_only_an_image_that_must_have_rest_is_not_copied_without(tmp_path: Path, inside: Inside) -> None:
    inside.refuses["guest-fsfreeze-freeze"] = 2
    with guest_agent.frozen(tmp_path, a_record()):
        assert inside.names() == ["guest-fsfreeze-freeze"]
    with pytest.raises(RuntimeError, match="refused"), guest_agent.frozen(tmp_path, a_record(os_require_quiesce="yes")):
        pytest.fail("it was copied")
    with guest_agent.frozen(tmp_path, a_record(agent=False)):
        assert len(inside.asked) == 2
