"""Fixtures for all tests: databases (tests/databases.py; with a service's tables: tests/migrated.py), a broker
(tests/brokers.py) and a Ceph (tests/ceph.py)."""

from __future__ import annotations

pytest_plugins = ["tests.databases", "tests.migrated", "tests.brokers", "tests.ceph", "tests.order"]
