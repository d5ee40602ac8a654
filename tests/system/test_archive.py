"""A backup that somebody else made: nothing of it lands outside its place."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from cumulet.kernel.paths import Paths
from cumulet.processes import archive


def _member(name: str, *, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = kind, target, 0o7777
    return member


HOSTILE = {
    "a file above": [_member("../out")],
    "a file at an absolute path": [_member("/tmp/out")],
    "a link that points outside": [_member("state/link", kind=tarfile.SYMTYPE, target="../../..")],
    "a link to an absolute path": [_member("state/link", kind=tarfile.SYMTYPE, target="/etc/passwd")],
    "a link through a link": [
        _member("a/b/up", kind=tarfile.SYMTYPE, target="../.."),
        _member("out", kind=tarfile.SYMTYPE, target="a/b/up/.."),
    ],
    "a hard link": [_member("state/link", kind=tarfile.LNKTYPE, target="manifest.json")],
    "a device": [_member("state/null", kind=tarfile.CHRTYPE)],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
def test_what_would_land_outside_is_refused(tmp_path: Path, members: list[tarfile.TarInfo]) -> None:
    file, paths = tmp_path / "hostile.tgz", Paths.at(tmp_path / "cloud")
    with tarfile.open(file, "w:gz") as made:
        for member in members:
            made.addfile(member, io.BytesIO())
    with pytest.raises(archive.NotRestorable, match=f"{members[-1].name.lstrip('/')} does not belong"):
        archive.restore(file, paths, None)
    left = {path.name for path in tmp_path.rglob("*") if path.is_file() or path.is_symlink()}
    assert left == {"hostile.tgz"}


def test_a_broken_backup_says_so(tmp_path: Path) -> None:
    file = tmp_path / "broken.tgz"
    file.write_bytes(b"no archive")
    with pytest.raises(archive.NotRestorable, match="is not a whole backup of a cloud"):
        archive.restore(file, Paths.at(tmp_path / "cloud"), None)
