"""Pools, capabilities, availability zones, clusters, workers (Block Storage API, Back-end storage pools, …)."""

from __future__ import annotations

from typing import Any, Final

from cumulet.kernel import clock
from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import Call, Reply
from cumulet.volume import bodies
from cumulet.volume.bodies import boolean
from cumulet.volume.domain import pools, services, types
from cumulet.volume.domain.pools import Pool
from cumulet.volume.handlers.volume_access import may
from cumulet.volume.scheduling import choice, filters
from cumulet.volume.schemas.workers import CleanupBody
from cumulet.volume.service import Volume

_PROPERTIES: Final = {
    "thin_provisioning": ("Thin Provisioning", "Sets thin provisioning."),
    "compression": ("Compression", "Enables compression."),
    "qos": ("QoS", "Enables QoS."),
    "replication_enabled": ("Replication", "Enables replication."),
}

_CLUSTER_FILTERS: Final = frozenset(
    (
        *("name", "binary", "is_up", "disabled", "num_hosts", "num_down_hosts"),
        *("replication_status", "frozen", "active_backend_id"),
    )
)


def index(call: Call[Volume]) -> Reply:
    """`detail` shows capabilities; 3.28: filters on them; 3.35: by what a volume type asks for."""
    may(call, "scheduler_extension:scheduler_stats:get_pools")
    query = {key: values[-1] for key, values in call.query().items()}
    if call.version >= (3, 31):
        _only_known(call, query)
    detailed = boolean(query.pop("detail", None), "detail")
    name, type_name = query.pop("name", None), query.pop("volume_type", None)
    with call.service.db.read() as connection:
        found = [pool for pool in pools.load_all(call.service, connection) if not pool.disabled]
        if type_name is not None and call.version >= (3, 35):
            specs = types.extra_specs(types.by_id_or_name(connection, type_name, call.ctx))
            wish = choice.wish_from(specs, 0)
            found = [pool for pool in found if filters.capabilities(call.service, pool, wish)]
    if call.version >= (3, 28):
        found = [pool for pool in found if name is None or pool.name == name]
        found = [pool for pool in found if _has(pool, query)]
    return Reply({"pools": [_view(pool, detailed=detailed) for pool in found]})


def _only_known(call: Call[Volume], query: dict[str, str]) -> None:
    """The operator's list of filters binds administrators here too. Raises BadRequest."""
    allowed = {"detail", *call.service.filters.get("pool", ())}
    unknown = sorted(set(query) - allowed)
    if unknown:
        raise BadRequest(f"Invalid filters {', '.join(unknown)[:255]} are found in query options.")


def _has(pool: Pool, wanted: dict[str, str]) -> bool:
    shown = filters.shown_capabilities(pool)
    return all(str(shown.get(key)).lower() == value.lower() for key, value in wanted.items())


def _view(pool: Pool, *, detailed: bool) -> dict[str, Any]:
    if not detailed:
        return {"name": pool.name}
    facts = filters.shown_capabilities(pool) | {"timestamp": clock.iso_micro(pool.reported_at).rstrip("Z")}
    return {"name": pool.name, "capabilities": facts}


def capabilities(call: Call[Volume], host: str) -> Reply:
    may(call, "volume_extension:capabilities")
    with call.service.db.read() as connection:
        found = [each for each in pools.load_all(call.service, connection) if host in (each.backend, each.name)]
    if not found:
        raise NotFound(f"Can't find service: {host}")
    facts = found[0].facts
    return Reply(
        {
            "namespace": f"OS::Storage::Capabilities::{found[0].backend}",
            "vendor_name": facts["vendor_name"],
            "volume_backend_name": facts["volume_backend_name"],
            "pool_name": found[0].name.rpartition("#")[2] if "#" in host else None,
            "driver_version": facts["driver_version"],
            "storage_protocol": facts["storage_protocol"],
            "display_name": None,
            "description": None,
            "visibility": None,
            "replication_targets": [],
            "properties": {
                key: {"title": title, "description": text, "type": "boolean"}
                for key, (title, text) in _PROPERTIES.items()
            },
        }
    )


def zones(call: Call[Volume]) -> Reply:
    """Anybody may know them."""
    with call.service.db.read() as connection:
        found = services.zones(call.service, connection)
    shown = [{"zoneName": name, "zoneState": {"available": state}} for name, state in sorted(found.items())]
    return Reply({"availabilityZoneInfo": shown})


def resource_filters(call: Call[Volume]) -> Reply:
    resource = (call.query().get("resource") or [None])[-1]  # type: ignore[list-item]
    found = call.service.filters.items()
    shown = [{"resource": key, "filters": names} for key, names in found if resource in (None, key)]
    return Reply({"resource_filters": shown})


def clusters(call: Call[Volume]) -> Reply:
    """Back ends here belong to one host each: a database of jobs does what clusters of services are for."""
    may(call, "clusters:get_all")
    query = {key: values[-1] for key, values in call.query().items()}
    unknown = sorted(set(query) - _CLUSTER_FILTERS)
    if unknown:
        raise BadRequest(f"Invalid input received: Invalid filter keys: {', '.join(unknown)[:255]}")
    for name in ("disabled", "is_up", "frozen"):
        boolean(query.get(name), name)
    return Reply({"clusters": []})


def cluster(call: Call[Volume], name: str) -> Reply:
    may(call, "clusters:get")
    raise NotFound(f"Cluster {name} could not be found.")


def update_cluster(call: Call[Volume], name: str) -> Reply:
    may(call, "clusters:update")
    body = call.raw_json()
    wanted = body.get("name") if isinstance(body, dict) else None
    if name not in ("enable", "disable"):
        raise NotFound("Unknown action")
    raise NotFound(f"Cluster {bodies.convert(wanted, bodies.NonEmpty)} could not be found.")


def cleanup(call: Call[Volume]) -> Reply:
    """What is interrupted is taken up by the engine itself, so there is never anything that waits to be asked."""
    may(call, "workers:cleanup")
    body = call.raw_json()
    given = bodies.convert(body, CleanupBody)
    if not isinstance(body, dict):
        raise BadRequest("Invalid input for field/attribute body. It is an object.")
    for name in ("is_up", "disabled"):
        boolean(getattr(given, name), name)
    binary = given.binary or services.VOLUME
    with call.service.db.read() as connection:
        rows = services.find(connection, host=given.host or None, binary=binary)
    shown = [
        (
            {"id": row.id, "binary": row.binary, "host": row.host, "cluster_name": None},
            services.is_up(call.service, row),
        )
        for row in rows
    ]
    return Reply(
        {
            "cleaning": [each for each, up in shown if up],
            "unavailable": [each for each, up in shown if not up],
        },
        status=202,
    )
