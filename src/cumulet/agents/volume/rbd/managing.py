"""Images and snapshots that were in the pool before: a name is all that makes them volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cumulet.agents.volume.protocols import InUse, Made, Manageable, NoSuchReference, Volume
from cumulet.agents.volume.rbd.images import GIB, Image, Images, Listed

_OURS: Final = ("making-", "deleted-", "cloning-", "reading-")


def manage(images: Images, volume: Volume, reference: dict[str, str]) -> Made:
    """Raises NoSuchReference, InUse."""
    name = f"volume-{volume.id}"
    image = images.find(name) or _adopted(images, name, reference.get("source-name", ""))
    return Made(images.grow(name, image.size_gb).size_gb)


def _adopted(images: Images, name: str, given: str) -> Image:
    if given.startswith(_OURS) or given not in images.names():
        raise NoSuchReference(f"There is no image {given!r} in the pool.")
    if images.is_open(given):
        raise InUse(f"Image {given} is in use.")
    images.rename(given, name)
    return images.get(name)


def manage_snapshot(images: Images, snapshot_id: str, volume_id: str, reference: dict[str, str]) -> Made:
    name, snapshot, given = f"volume-{volume_id}", f"snapshot-{snapshot_id}", reference.get("source-name", "")
    there = {one.name for one in images.snapshots(name)}
    if snapshot not in there:
        if given not in there or given.startswith(_OURS):
            raise NoSuchReference(f"Volume {volume_id} has no snapshot {given!r}.")
        images.rename_snapshot(name, given, snapshot)
    found = images.find(name, snapshot)
    return Made(found.size_gb if found is not None else 0)


def manageable(images: Images, known: Sequence[str]) -> list[Manageable]:
    return [
        _offered(one, one.image, "volume-", set(known))
        for one in images.listed()
        if one.snapshot is None and not one.image.startswith(_OURS)
    ]


def manageable_snapshots(images: Images, known: Sequence[str]) -> list[Manageable]:
    offered = []
    for one in images.listed():
        if one.snapshot is not None and not one.snapshot.startswith(_OURS):
            made = _offered(one, one.snapshot, "snapshot-", set(known), {"source-name": one.image})
            offered.append(made)
    return offered


def _offered(one: Listed, name: str, prefix: str, known: set[str], source: dict[str, str] | None = None) -> Manageable:
    """Whether somebody has it open is looked at when it is managed: here it would be a question for each."""
    reference, size_gb, id_ = {"source-name": name}, -(-one.size // GIB), name.removeprefix(prefix)
    if id_ in known:
        return Manageable(reference, size_gb, False, "already managed", id_, source=source)
    return Manageable(reference, size_gb, True, source=source)
