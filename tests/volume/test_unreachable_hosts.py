"""A back end's agent that is being started again is waited for; one that is down is not, for long."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cumulet.kernel.bus import HostUnreachable
from cumulet.kernel.jobs import Retry
from cumulet.volume.jobs import backend
from tests.volume.support import Cloud


@pytest.fixture
def refusals(running: Cloud, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is still to be lost of the calls to back ends."""
    monkeypatch.setattr(backend, "_AGAIN_S", 0.01)
    left: list[str] = []
    call = running.bus.call

    def sometimes(host: str, method: str, *args: Any, **rest: Any) -> Any:
        if method in left:
            left.remove(method)
            raise HostUnreachable(host, "nobody serves it")
        return call(host, method, *args, **rest)

    monkeypatch.setattr(running.bus, "call", sometimes)
    return left


def test_more_absences_than_a_job_has_attempts(running: Cloud, refusals: list[str]) -> None:
    refusals += ["volume.create"] * 15
    volume = running.available()
    refusals += ["volume.delete"] * 15
    running.json("DELETE", f"/volumes/{volume['id']}", status=202)
    running.until(lambda: running.is_gone(volume["id"]))
    assert refusals == []


def test_a_host_that_is_down_is_told(running: Cloud, refusals: list[str]) -> None:
    job: Any = SimpleNamespace(id="job", remaining_s=lambda most: most, context=lambda: None)
    host = running.show(running.available()["id"])["os-vol-host-attr:host"]
    refusals += ["volume.delete"] * 2
    with pytest.raises(Retry):
        backend.call(job, running.service, host, "delete", {"volume_id": "any"})
    running.service.conf.set_override("service_down_time", -1)
    with pytest.raises(HostUnreachable):
        backend.call(job, running.service, host, "delete", {"volume_id": "any"})
