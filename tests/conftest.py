"""Fixtures for all tests: databases (tests/databases.py), a broker (tests/brokers.py) and a Ceph (tests/ceph.py)."""

from __future__ import annotations

pytest_plugins = ["tests.databases", "tests.brokers", "tests.ceph"]
