"""Fixtures: Network on an empty database that the tests of a module share; each makes what it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from cumulet.network.service import Network
from tests.network.support import Api, make_network


@pytest.fixture(scope="module")
def module_database_url(module_migrated_urls: Callable[[str], str]) -> str:
    """With Network's tables."""
    return module_migrated_urls("network")


@pytest.fixture(scope="module")
def network(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    quotas = "".join(f"quota_{noun} = -1\n" for noun in ("network", "subnet", "port", "router", "floatingip"))
    more = "".join(f"quota_{noun} = -1\n" for noun in ("security_group", "security_group_rule", "rbac_policy"))
    made = make_network(module_database_url, tmp_path_factory.mktemp("state"), f"[quotas]\n{quotas}{more}")
    yield made
    made.db.close()


@pytest.fixture
def api(network: Network) -> Api:
    """A member of project `ours`."""
    return Api(network)


@pytest.fixture
def admin(network: Network) -> Api:
    return Api(network, "admin")
