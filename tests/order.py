"""The order of the test files: the longest first, so that processes that share them (pytest-xdist) end together.

Those that wait for guests and clouds and those that compute are mixed by this too, and use what the others leave.
`scripts/test` says `--no-loadscope-reorder`: xdist's own order, by the number of tests, has the longest files last.
"""

from __future__ import annotations

import pytest

SECONDS = {
    # On two processors, with three databases; of files that take more than about half a minute.
    "tests/identity/test_fuzz.py": 400,
    "tests/system/test_two_hosts.py": 400,
    "tests/system/compute/test_random_kills.py": 300,
    "tests/network/test_fuzz.py": 240,
    "tests/volume/test_fuzz.py": 200,
    "tests/system/compute/test_uefi_guest.py": 200,
    "tests/system/test_first_server.py": 180,
    "tests/compute/test_attachments.py": 170,
    "tests/system/compute/test_real_server.py": 160,
    "tests/system/test_program.py": 160,
    "tests/system/volume/test_real_guest.py": 150,
    "tests/system/test_tutorial.py": 150,
    "tests/system/volume/test_host_start.py": 150,
    "tests/image/test_hostile.py": 150,
    "tests/compute/test_interrupted_attachments.py": 140,
    "tests/compute/test_disks.py": 130,
    "tests/compute/test_kills.py": 130,
    "tests/compute/test_boot.py": 120,
    "tests/system/compute/test_qemu_driver.py": 110,
    "tests/compute/test_interfaces.py": 100,
    "tests/system/test_guides.py": 100,
    "tests/compute/test_boot_volumes.py": 100,
    "tests/compute/test_metadata_service.py": 90,
    "tests/system/test_databases.py": 90,
    "tests/system/volume/test_rbd_disk.py": 80,
    "tests/compute/test_external_events.py": 80,
    "tests/placement/test_state_machine.py": 80,
    "tests/compute/test_random_work.py": 80,
    "tests/placement/test_search.py": 60,
    "tests/agents/volume/test_rbd_kills.py": 60,
    "tests/system/network/test_resilience.py": 75,
    "tests/kernel/test_migrate.py": 70,
    "tests/image/test_imports.py": 70,
    "tests/system/network/test_whole_cloud.py": 65,
    "tests/image/test_listing.py": 60,
    "tests/compute/test_guests.py": 60,
    "tests/compute/test_moved_volumes.py": 60,
    "tests/compute/test_fleet.py": 60,
    "tests/kernel/test_bus_contract.py": 60,
    "tests/system/test_tools.py": 60,
    "tests/volume/test_crashes.py": 50,
    "tests/system/test_keystone_manage.py": 50,
    "tests/system/compute/test_container_driver.py": 50,
    "tests/system/compute/test_container_server.py": 50,
    "tests/system/test_simulate.py": 40,
    "tests/system/test_archive.py": 40,
    "tests/system/test_benchmarks.py": 30,
    "tests/agents/volume/test_encryption.py": 35,
    "tests/agents/volume/test_exports.py": 35,
    "tests/system/network/test_joining.py": 30,
    "tests/system/network/test_leaving.py": 30,
}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that are not named keep their order behind those that are; so do tests of one file."""
    items.sort(key=lambda item: -SECONDS.get(item.nodeid.partition("::")[0], 0))
