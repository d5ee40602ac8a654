"""The requests and answers of `gabbits/`: what each microversion changed, one file a version."""

from __future__ import annotations

import functools
import shutil
import sys
import tempfile
import unittest
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from gabbi import fixture
from gabbi.driver import build_tests

from cumulet.placement import app
from cumulet.placement.service import Placement
from tests.placement.support import Api, make_placement

GABBITS = Path(__file__).with_name("gabbits")

CN1 = "11111111-1111-1111-1111-111111111111"
CN2 = "22222222-2222-2222-2222-222222222222"
PF2 = "22222222-0000-0000-0000-222222222222"
SHARED = "33333333-3333-3333-3333-333333333333"
EMPTY = "44444444-4444-4444-4444-444444444444"
AGG1 = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
AGG2 = "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb"


class Running:
    """The application of the file that is being run; gabbi asks for it before the file's fixture starts."""

    app: Callable[..., Iterable[bytes]] | None = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        assert Running.app is not None
        return Running.app(environ, start_response)


class Nothing(fixture.GabbiFixture):  # type: ignore[misc]
    """A Placement without providers."""

    def start_fixture(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.placement = make_placement(self.directory)
        Running.app = app.build_api(self.placement)
        self.fill(self.placement)

    def fill(self, placement: Placement) -> None:
        """Fixtures with providers make them here."""

    def stop_fixture(self) -> None:
        Running.app = None
        self.placement.db.close()
        shutil.rmtree(self.directory)


class Cloud(Nothing):
    """Two compute nodes, one with a network device below it, and a disk that the second one shares.

    cn1: VCPU 8, MEMORY_MB 1024, DISK_GB 100; HW_CPU_X86_AVX; in agg1
    cn2: VCPU 8, MEMORY_MB 1024; HW_CPU_X86_AVX, CUSTOM_GOLD; in agg1 and agg2
     └ pf2: SRIOV_NET_VF 4; CUSTOM_PHYSNET
    shared: DISK_GB 1000; MISC_SHARES_VIA_AGGREGATE; in agg2
    empty
    """

    def fill(self, placement: Placement) -> None:
        api = Api(placement)
        for name in ("CUSTOM_GOLD", "CUSTOM_PHYSNET", "CUSTOM_SILVER"):
            api.put(f"/traits/{name}")
        api.provider(CN1, VCPU=8, MEMORY_MB=1024, DISK_GB=100, traits=["HW_CPU_X86_AVX"], aggregates=[AGG1])
        api.provider(CN2, VCPU=8, MEMORY_MB=1024, traits=["HW_CPU_X86_AVX", "CUSTOM_GOLD"], aggregates=[AGG1, AGG2])
        api.provider(PF2, parent=CN2, SRIOV_NET_VF=4, traits=["CUSTOM_PHYSNET"])
        api.provider(SHARED, DISK_GB=1000, traits=["MISC_SHARES_VIA_AGGREGATE"], aggregates=[AGG2])
        api.provider(EMPTY)


@functools.cache
def suites() -> dict[str, unittest.TestSuite]:
    """File name to its requests in their order, with what its fixture does around them."""
    module = sys.modules[__name__]
    everything = build_tests(
        str(GABBITS), unittest.TestLoader(), intercept=Running, fixture_module=module, test_loader_name="gabbits"
    )
    files = sorted(path.stem for path in GABBITS.glob("*.yaml"))
    return {name: next(suite for suite in everything if _is_of(suite, name)) for name in files}


def _is_of(suite: unittest.TestSuite, name: str) -> bool:
    return all(type(test).__name__.startswith(f"{name}_") for test in suite)


@pytest.mark.parametrize("name", [path.stem for path in sorted(GABBITS.glob("*.yaml"))])
def test_requests_and_answers(name: str) -> None:
    result = unittest.TestResult()
    suites()[name].run(result)
    wrong = [f"{test.id()}\n{text}" for test, text in (*result.failures, *result.errors)]
    assert not wrong, "\n\n".join(wrong)
    assert result.testsRun > 0
