"""What every part of the QEMU driver works with."""

from __future__ import annotations

from dataclasses import dataclass

from cumulet.agents.compute import taps
from cumulet.agents.compute.config import HostConfig
from cumulet.agents.compute.container import cgroups
from cumulet.agents.compute.folders import Folders, Record
from cumulet.agents.compute.images import ImageCache
from cumulet.agents.compute.qemu import card_limits


@dataclass(frozen=True)
class Host:
    config: HostConfig
    folders: Folders
    images: ImageCache

    def plug(self, record: Record) -> None:
        """Have the devices of its cards there, for the network agent to find."""
        for card in record.cards:
            taps.ensure(self.config.host_namespace, card.port_id, card.mtu, queues=card.queues)
        self.hold_cards(record)

    def unplug(self, record: Record) -> None:
        """Once it is not there any more: nothing of it is left outside of its directory."""
        for card in record.cards:
            taps.remove(self.config.host_namespace, card.port_id)
        self.hold_cards(record)
        cgroups.remove(record.id)

    def hold_cards(self, record: Record, *, gone: bool = False) -> None:
        """Hold them to what its flavor says, or to nothing any more; as those of all other guests here."""
        if card_limits.of_flavor(record.guest.flavor):
            there = (one for one in self.folders.all() if not (one.moved_to or (gone and one.id == record.id)))
            card_limits.apply(self.config, there)
