"""A simulated host refuses what a real one would."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.agents.compute.image_service import ImageError
from cumulet.agents.compute.protocols import Guest
from cumulet.agents.host.simulated import PluggedHypervisor, SimulatedWatch
from cumulet.simulator.network import SimulatedHost

FLAVOR = {"vcpus": 1, "ram": 128, "disk": 1, "ephemeral": 0, "swap": 0, "extra_specs": {}}


def guest(image_id: str) -> Guest:
    return Guest(
        id="server", name="server", hostname="server", number=1, flavor=FLAVOR, image_id=image_id, vifs=[],
        image={"id": image_id, "disk_format": "qcow2"},
    )  # fmt: skip


def test_an_image_is_looked_at_before_a_guest_is_made_of_it() -> None:
    looked: list[str] = []

    def inspect(image: dict[str, Any]) -> None:
        looked.append(image["id"])
        if image["id"] == "bad":
            raise ImageError("Image bad claims to be qcow2 but is raw.")

    watch = SimulatedWatch()
    hypervisor = PluggedHypervisor(SimulatedHost(), watch, inspect=inspect)
    try:
        with pytest.raises(ImageError, match="claims to be qcow2"):
            hypervisor.spawn(guest("bad"))
        assert hypervisor.guests() == {}
        hypervisor.spawn(guest("good"))
        with pytest.raises(ImageError):
            hypervisor.rebuild(guest("bad"))
        assert list(hypervisor.guests()) == ["server"]
        assert looked == ["bad", "good", "bad"]
    finally:
        watch.close()
