"""Clouds of one machine have ways out of their own, also while one of them is down."""

from __future__ import annotations

import shutil
from pathlib import Path

from cumulet.agents.network import claims

SUBNET = "172.24.4.0/24"


def test_a_subnet_is_the_clouds_that_came_first_until_that_is_purged(tmp_path: Path) -> None:
    folder, first, second = tmp_path / "run" / "claims", tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    assert claims.claim(SUBNET, first, folder) is None
    assert claims.claim(SUBNET, first, folder) is None
    assert claims.claim(SUBNET, second, folder) == first
    assert claims.claim("172.24.5.0/24", second, folder) is None
    shutil.rmtree(first)
    assert claims.claim(SUBNET, second, folder) is None


def test_what_is_given_back_leaves_nothing(tmp_path: Path) -> None:
    folder, first, second = tmp_path / "claims", tmp_path / "first", tmp_path / "second"
    claims.release(first, folder)
    first.mkdir()
    second.mkdir()
    claims.claim(SUBNET, first, folder)
    claims.claim("172.24.5.0/24", second, folder)
    claims.release(first, folder)
    assert [link.readlink() for link in folder.iterdir()] == [second]
    claims.release(second, folder)
    assert not folder.exists()
