"""Placement's whole API at a glance, with the microversion each operation came with."""

from __future__ import annotations

from cumulet.kernel.http import Route
from cumulet.placement.handlers import (
    aggregates,
    allocation_candidates,
    allocations,
    inventories,
    provider_batches,
    reshaper,
    resource_classes,
    resource_providers,
    root,
    traits,
    usages,
)

_PROVIDER = "/resource_providers/{uuid}"

ROUTES = (
    Route("GET", "/", root.show, public=True),
    # resource providers
    Route("GET", "/resource_providers", resource_providers.index),
    Route("POST", "/resource_providers", resource_providers.create),
    Route("GET", _PROVIDER, resource_providers.show),
    Route("PUT", _PROVIDER, resource_providers.update),
    Route("DELETE", _PROVIDER, resource_providers.delete),
    Route("POST", "/resource_provider_batches", provider_batches.create, since=(1, 6)),
    # inventories
    Route("GET", f"{_PROVIDER}/inventories", inventories.index),
    Route("POST", f"{_PROVIDER}/inventories", inventories.create),
    Route("PUT", f"{_PROVIDER}/inventories", inventories.replace),
    Route("DELETE", f"{_PROVIDER}/inventories", inventories.delete_all, since=(1, 5)),
    Route("DELETE", f"{_PROVIDER}/inventories", inventories.delete_all_not_yet, until=(1, 4)),
    Route("GET", f"{_PROVIDER}/inventories/{{resource_class}}", inventories.show),
    Route("PUT", f"{_PROVIDER}/inventories/{{resource_class}}", inventories.update),
    Route("DELETE", f"{_PROVIDER}/inventories/{{resource_class}}", inventories.delete),
    # aggregates
    Route("GET", f"{_PROVIDER}/aggregates", aggregates.index, since=(1, 1)),
    Route("PUT", f"{_PROVIDER}/aggregates", aggregates.replace, since=(1, 1)),
    # resource classes
    Route("GET", "/resource_classes", resource_classes.index, since=(1, 2)),
    Route("POST", "/resource_classes", resource_classes.create, since=(1, 2)),
    Route("GET", "/resource_classes/{name}", resource_classes.show, since=(1, 2)),
    Route("PUT", "/resource_classes/{name}", resource_classes.rename, since=(1, 2), until=(1, 6)),
    Route("PUT", "/resource_classes/{name}", resource_classes.ensure, since=(1, 7)),
    Route("DELETE", "/resource_classes/{name}", resource_classes.delete, since=(1, 2)),
    # traits
    Route("GET", "/traits", traits.index, since=(1, 6)),
    Route("GET", "/traits/{name}", traits.show, since=(1, 6)),
    Route("PUT", "/traits/{name}", traits.ensure, since=(1, 6)),
    Route("DELETE", "/traits/{name}", traits.delete, since=(1, 6)),
    Route("GET", f"{_PROVIDER}/traits", traits.index_of_provider, since=(1, 6)),
    Route("PUT", f"{_PROVIDER}/traits", traits.replace_of_provider, since=(1, 6)),
    Route("DELETE", f"{_PROVIDER}/traits", traits.delete_of_provider, since=(1, 6)),
    # allocations
    Route("POST", "/allocations", allocations.replace_many, since=(1, 13)),
    Route("GET", "/allocations/{consumer_uuid}", allocations.show),
    Route("PUT", "/allocations/{consumer_uuid}", allocations.replace),
    Route("DELETE", "/allocations/{consumer_uuid}", allocations.delete),
    Route("GET", f"{_PROVIDER}/allocations", allocations.index_of_provider),
    Route("POST", "/reshaper", reshaper.reshape, since=(1, 30)),
    # usages and the search
    Route("GET", f"{_PROVIDER}/usages", usages.show_of_provider),
    Route("GET", "/usages", usages.index, since=(1, 9)),
    Route("GET", "/allocation_candidates", allocation_candidates.index, since=(1, 10)),
)
