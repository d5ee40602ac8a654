"""`nova-manage placement …`: Placement compared with the servers there are."""

from __future__ import annotations

import argparse
import sys

from cumulet.cli.nova_store import compute_service
from cumulet.cli.stores import Refused

_BATCH = 50


def heal_allocations(given: argparse.Namespace) -> int:
    """0: servers were healed; 1: stopped by --max-count; 3: one could not be; 4: there was nothing to do."""
    from cumulet.compute.scheduling import healing

    if given.max_count is not None and given.max_count < 1:
        raise Refused("Must supply a positive integer for --max-count.", 127)
    done, failed = 0, 0
    with compute_service(given) as compute:
        if given.verbose and given.max_count is None:
            print(f"Running batches of {_BATCH} until complete")
        for row, provider in healing.unallocated(compute, given.instance):
            if given.max_count is not None and done >= given.max_count:
                print(f"Max count reached. Processed {done} instances.")
                return 1
            if given.dry_run:
                print(f"[dry-run] Create allocations for instance {row.id} on {provider}")
            elif healing.heal(compute, row, provider):
                print(f"Successfully created allocations for instance {row.id}.")
            else:
                print(f"Node {row.node} has no room for the allocations of instance {row.id}.", file=sys.stderr)
                failed += 1
                continue
            done += 1
    print(f"Processed {done} instances.")
    if failed:
        return 3
    return 0 if done else 4


def audit(given: argparse.Namespace) -> int:
    """0: no orphan; 3: orphans were found; 4: they were found and deleted."""
    from cumulet.compute.scheduling import healing

    with compute_service(given) as compute:
        found = healing.audit(compute, given.resource_provider)
        for orphan in found:
            if given.verbose or not given.delete:
                print(f"Allocations for consumer UUID {orphan.consumer} on Resource Provider {orphan.provider}: "
                      f"{orphan.resources}")  # fmt: skip
            if given.delete:
                healing.release(compute, orphan)
                print(f"Deleted allocations for consumer UUID {orphan.consumer}")
    if not found:
        return 0
    print(f"Processed {len(found)} allocation{'s' if len(found) > 1 else ''}.")
    return 4 if given.delete else 3


def sync_aggregates(given: argparse.Namespace) -> int:
    from cumulet.compute.scheduling import healing

    with compute_service(given) as compute:
        changed = healing.sync_aggregates(compute)
    if given.verbose:
        print(f"{changed} resource providers were changed.")
    return 0
