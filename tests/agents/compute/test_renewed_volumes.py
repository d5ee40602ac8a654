"""The volumes of a guest that comes back to a host: opened as they are exported now, in the slots they had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cumulet.agents.compute.folders import Drive, Record
from cumulet.agents.compute.protocols import Disk, Guest
from cumulet.agents.compute.qemu import volumes


def _nbd(volume_id: str, export: str, **more: Any) -> Disk:
    data = {"host": "10.0.0.1", "port": 10809, "export": export, **more}
    return Disk(volume_id, "/dev/vdb", {"driver_volume_type": "nbd", "data": data})


def _drive(disk: Disk, slot: int) -> Drive:
    made = Drive(f"volume-{disk.volume_id}", slot, volumes.node_of(disk), volume_id=disk.volume_id)
    made.objects, made.keys = volumes.objects_of(disk), volumes.keys_of(disk)
    return made


def test_what_stays_is_opened_anew_and_what_went_is_forgotten(tmp_path: Path) -> None:
    guest = Guest("server", "web", "web", 1, {}, "image", [])
    root = Drive("disk-root", 1, {"driver": "qcow2"})
    stays = _drive(_nbd("stays", "first", tls="psk", tls_key="00"), 2)
    went = _drive(_nbd("went", "other", tls="psk", tls_key="11"), 3)
    record = Record(guest, drives=[root, stays, went])
    for drive in (stays, went):
        volumes.write_keys(tmp_path, drive)
    now = [_nbd("stays", "second", tls="psk", tls_key="22"), _nbd("new", "third")]
    for _ in range(2):
        assert volumes.renew(tmp_path, record, now) == [now[1]]
    assert record.drives == [root, stays]
    assert (stays.slot, stays.node["file"]["export"]) == (2, "second")
    assert (tmp_path / "keys-stays" / "keys.psk").read_text() == "cumulet:22\n"
    assert not (tmp_path / "keys-went").exists()
