"""`resize`, `confirmResize`, `revertResize`, `migrate`, `os-migrateLive`, `evacuate`: a server changes size or host."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from sqlalchemy.engine import Connection, Row

from cumulet.compute.bodies import convert
from cumulet.compute.domain import flavors, moves, quotas, servers, services, tasks
from cumulet.compute.handlers import server_access, server_parts
from cumulet.compute.schemas.server_actions import Evacuate, Live, Migrate, Resize
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest, Conflict, NotFound
from cumulet.kernel.http import Call, Reply

_ACCEPTED = Reply(status=202)


def _row(call: Call[Compute], server_id: str, rule: str) -> Row[Any]:
    with call.service.db.read() as connection:
        return server_access.load(call, connection, server_id, rule)


def resize(call: Call[Compute], server_id: str, given: Any) -> Reply:
    body = convert(given, Resize)
    compute = call.service
    row = _row(call, server_id, "servers:resize")
    with compute.db.read() as connection:
        flavor = _flavor(call, connection, row, str(body.flavor_ref))
    old = servers.decode(row.flavor)
    excluded = [] if compute.conf.allow_resize_to_same_host else [row.host]
    values: dict[str, Any] = {"progress": 0, "new_flavor": servers.encode(flavor)}
    if body.disk_config is not UNSET:
        values["auto_disk_config"] = body.disk_config == "AUTO"
    # Until it is confirmed the larger of both counts against the quota.
    values |= {"vcpus": max(old["vcpus"], flavor["vcpus"]), "memory_mb": max(old["ram"], flavor["ram"])}

    def enter(connection: Connection, now: Row[Any]) -> dict[str, Any]:
        more = {"cores": values["vcpus"] - now.vcpus, "ram": values["memory_mb"] - now.memory_mb}
        wanted = {name: amount for name, amount in more.items() if amount > 0}
        if wanted:
            quotas.require(compute, connection, now.project_id, now.user_id, wanted)
        uuid = moves.start(
            connection, now, "resize", "pre-migrating", call.ctx, compute.now(), new_flavor_id=flavor["id"]
        )
        return {"migration": uuid}

    payload = {"flavor": flavor, "place": {"excluded": excluded}}
    tasks.request(compute, call.ctx, row.id, tasks.RESIZE, payload=payload, values=values, prepare=enter)
    return _ACCEPTED


def _flavor(call: Call[Compute], connection: Connection, row: Row[Any], wanted: str) -> dict[str, Any]:
    try:
        flavor = flavors.load(connection, wanted.rstrip("/").rpartition("/")[2], call.ctx)
    except NotFound as error:
        raise BadRequest(error.message) from None
    old, new = servers.decode(row.flavor), server_parts.size_of(flavor)
    server_parts.require_sense(new, servers.decode(row.image_properties))
    tasks.require_allowed(row, tasks.RESIZE, call.ctx)
    if new["id"] == old["id"]:
        raise BadRequest("When resizing, instances must change flavor!")
    if new["disk"] == 0 and old["disk"] != 0 and row.image_id is not None:
        raise BadRequest("Unable to resize disk down: the new flavor has no root disk.")
    server_parts.require_fit(
        servers.decode(row.image_properties) | {"status": "active", "id": row.image_id},
        ram_mb=new["ram"],
        root_gb=new["disk"] if row.image_id is not None else 0,  # the volume's size is its own affair
    )
    return new


def _of_resize(call: Call[Compute], server_id: str, rule: str, task: tasks.Task, status: str) -> None:
    compute = call.service
    row = _row(call, server_id, rule)
    tasks.require_allowed(row, task, call.ctx)

    def enter(connection: Connection, now: Row[Any]) -> dict[str, Any]:
        finished = [move for move in moves.open_of(connection, now.id) if move.status == "finished"]
        if not finished:
            raise BadRequest("Instance has not been resized.")
        moves.change(connection, finished[0].uuid, compute.now(), status=status)
        return {"migration": finished[0].uuid}

    tasks.request(compute, call.ctx, row.id, task, prepare=enter)


def confirm(call: Call[Compute], server_id: str, given: Any) -> Reply:
    _of_resize(call, server_id, "servers:confirm_resize", tasks.CONFIRM, "confirming")
    return Reply(status=204)


def revert(call: Call[Compute], server_id: str, given: Any) -> Reply:
    _of_resize(call, server_id, "servers:revert_resize", tasks.REVERT, "reverting")
    return _ACCEPTED


def migrate(call: Call[Compute], server_id: str, given: Any) -> Reply:
    body = Migrate()
    if call.version >= (2, 56) and given is not None:
        body = convert(given, Migrate)
    compute = call.service
    row = _row(call, server_id, "os-migrate-server:migrate")
    if body.host is not None:
        row = _row(call, server_id, "os-migrate-server:migrate:host")
        _require_host(call, body.host)
    tasks.require_allowed(row, tasks.MIGRATE, call.ctx)
    if body.host is not None and body.host == row.host:
        raise BadRequest(f"Compute host {body.host} is the server's own: it has to be another one.")

    def enter(connection: Connection, now: Row[Any]) -> dict[str, Any]:
        status = "pre-migrating"
        return {"migration": moves.start(connection, now, "migration", status, call.ctx, compute.now())}

    place = {"host": body.host, "excluded": [row.host]}
    payload = {"flavor": servers.decode(row.flavor), "place": place}
    tasks.request(compute, call.ctx, row.id, tasks.MIGRATE, payload=payload, values={"progress": 0}, prepare=enter)
    return _ACCEPTED


def _require_host(call: Call[Compute], host: str, message: str = "Compute host {host} could not be found.") -> None:
    with call.service.db.read() as connection:
        if not services.has_node(connection, host, None):
            raise BadRequest(message.format(host=host))


def live_migrate(call: Call[Compute], server_id: str, given: Any) -> Reply:
    body = convert(given, Live)
    _require_live_fields(call, body)
    compute = call.service
    row = _row(call, server_id, "os-migrate-server:migrate_live")
    if body.host is not None:
        row = _row(call, server_id, "os-migrate-server:migrate_live:host")
    tasks.require_allowed(row, tasks.LIVE, call.ctx)
    host = body.host if isinstance(body.host, str) else None
    if host is not None:
        _require_host(call, host)
        if host == row.host:
            raise BadRequest(f"Compute host {host} is the server's own. Migration to the same host is not possible.")
    _require_up(call, row.host)
    copy = None if body.block_migration == "auto" else bool(body.block_migration)

    def enter(connection: Connection, now: Row[Any]) -> dict[str, Any]:
        more = {"dest_host": host}
        return {"migration": moves.start(connection, now, moves.LIVE, "queued", call.ctx, compute.now(), **more)}

    forced = host is not None and (call.version < (2, 30) or body.force is True)
    payload = {"copy_disks": copy, "place": {"host": host, "forced": forced, "excluded": [row.host]}}
    tasks.request(compute, call.ctx, row.id, tasks.LIVE, payload=payload, prepare=enter)
    return _ACCEPTED


def _require_live_fields(call: Call[Compute], body: Live) -> None:
    """Raises BadRequest for fields of other microversions, and for those that are missing."""
    version = call.version
    needed = ["host", "block_migration"] + (["disk_over_commit"] if version < (2, 25) else [])
    for name in needed:
        if getattr(body, name) is UNSET:
            raise BadRequest(f"Invalid input for field/attribute os-migrateLive. '{name}' is a required property")
    if version >= (2, 25) and body.disk_over_commit is not UNSET:
        raise BadRequest("Additional properties are not allowed ('disk_over_commit' was unexpected)")
    if body.force is not UNSET and not (2, 30) <= version <= (2, 67):
        raise BadRequest("Additional properties are not allowed ('force' was unexpected)")
    if version < (2, 25) and body.block_migration == "auto":
        raise BadRequest("Invalid input for field/attribute block_migration. Value: auto.")


def _require_up(call: Call[Compute], host: str) -> None:
    with call.service.db.read() as connection:
        service = services.of_host(connection, host)
    if not services.is_up(call.service, service):
        raise Conflict(f"Service is unavailable at this time: compute host {host} is down.")


def evacuate(call: Call[Compute], server_id: str, given: Any) -> Reply:
    body = convert(given, Evacuate)
    _require_evacuation_fields(call, body)
    compute = call.service
    row = _row(call, server_id, "os-evacuate")
    host = body.host if isinstance(body.host, str) else None
    tasks.require_allowed(row, tasks.EVACUATE, call.ctx)
    if host is not None:
        _require_host(call, host)
        if host == row.host:
            raise BadRequest("The target host can't be the same one.")
    with compute.db.read() as connection:
        service = services.of_host(connection, row.host)
    if services.is_up(compute, service):
        raise BadRequest(f"Compute service of {row.host} is still in use.")
    password = server_parts.new_password() if body.admin_pass is UNSET else body.admin_pass

    def enter(connection: Connection, now: Row[Any]) -> dict[str, Any]:
        more = {"dest_host": host}
        uuid = moves.start(connection, now, "evacuation", "accepted", call.ctx, compute.now(), **more)
        return {"migration": uuid}

    stopped = row.vm_state == "stopped" or call.version >= (2, 95)
    forced = host is not None and (call.version < (2, 29) or body.force is True)
    payload = {
        "admin_password": password,
        "stopped": stopped,
        "place": {"host": host, "forced": forced, "excluded": [row.host]},
    }
    tasks.request(compute, call.ctx, row.id, tasks.EVACUATE, payload=payload, prepare=enter)
    if call.version < (2, 14) and compute.conf.api.enable_instance_password:
        return Reply({"adminPass": password}, 200)
    return Reply(status=200)


def _require_evacuation_fields(call: Call[Compute], body: Evacuate) -> None:
    version = call.version
    if version < (2, 14) and body.on_shared_storage is UNSET:
        raise BadRequest("Invalid input for field/attribute evacuate. 'onSharedStorage' is a required property")
    if version >= (2, 14) and body.on_shared_storage is not UNSET:
        raise BadRequest("Additional properties are not allowed ('onSharedStorage' was unexpected)")
    if body.force is not UNSET and not (2, 29) <= version <= (2, 67):
        raise BadRequest("Additional properties are not allowed ('force' was unexpected)")
