"""Fixtures for all tests: databases (tests/databases.py) and a message broker (tests/brokers.py)."""

from __future__ import annotations

pytest_plugins = ["tests.databases", "tests.brokers"]
