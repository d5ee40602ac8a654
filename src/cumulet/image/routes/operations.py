"""Versions, schemas, what the site offers, tasks, and the cache."""

from __future__ import annotations

from cumulet.image.handlers import cache, schemas, stores, tasks, versions
from cumulet.kernel.http import Route

ROUTES = (
    Route("GET", "/", versions.choices, public=True),
    Route("GET", "/versions", versions.index, public=True),
    Route("GET", "/v2", versions.root),
    *(Route("GET", f"/v2/schemas/{name}", schemas.shower(name)) for name in schemas.DOCUMENTS),
    Route("GET", "/v2/info/import", stores.import_methods),
    Route("GET", "/v2/info/stores", stores.index),
    Route("GET", "/v2/info/stores/detail", stores.details),
    Route("GET", "/v2/info/usage", stores.usage),
    Route("GET", "/v2/tasks", tasks.index),
    Route("POST", "/v2/tasks", tasks.create),
    Route("GET", "/v2/tasks/{task_id}", tasks.show),
    Route("DELETE", "/v2/tasks/{task_id}", tasks.delete),
    Route("GET", "/v2/cache", cache.index),
    Route("DELETE", "/v2/cache", cache.clear),
    Route("POST", "/v2/cache/clean", cache.clean),
    Route("POST", "/v2/cache/prune", cache.prune),
    Route("GET", "/v2/cache/nodes/{image_id}", cache.nodes),
    Route("PUT", "/v2/cache/{image_id}", cache.queue),
    Route("DELETE", "/v2/cache/{image_id}", cache.delete),
)
