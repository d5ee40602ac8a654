"""A Ceph for real guests' volumes."""

from __future__ import annotations

from tests.agents.volume.conftest import ceph, one_ceph

__all__ = ["ceph", "one_ceph"]
