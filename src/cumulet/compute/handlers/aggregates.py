"""`/v2.1/os-aggregates` and `/v2.1/os-availability-zone` (Compute API, Host aggregates, Availability zones)."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from cumulet.compute.bodies import action, convert, read
from cumulet.compute.domain import aggregates, services
from cumulet.compute.schemas.aggregates import CreateBody, Host, Metadata, Update, UpdateBody
from cumulet.compute.service import Compute
from cumulet.kernel import clock
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply


def _may(call: Call[Compute], verb: str) -> None:
    call.service.policy.can(call.ctx, f"os_compute_api:os-aggregates:{verb}")


def _time(at: int | None) -> str | None:
    return None if at is None else clock.iso_micro(at).rstrip("Z")


def _view(call: Call[Compute], found: aggregates.Aggregate, *, brief: bool = False) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": found["id"],
        "name": found["name"],
        "availability_zone": found["metadata"].get(aggregates.ZONE),
        "created_at": _time(found["created_at"]),
        "updated_at": _time(found["updated_at"]),
        "deleted_at": None,
        "deleted": False,
    }
    if not brief:
        shown |= {"hosts": found["hosts"], "metadata": found["metadata"]}
    if call.version >= (2, 41):
        shown["uuid"] = found["uuid"]
    return shown


def index(call: Call[Compute]) -> Reply:
    _may(call, "index")
    with call.service.db.read() as connection:
        return Reply({"aggregates": [_view(call, found) for found in aggregates.find(connection)]})


def show(call: Call[Compute], aggregate_id: str) -> Reply:
    _may(call, "show")
    with call.service.db.read() as connection:
        return Reply({"aggregate": _view(call, aggregates.load(connection, aggregate_id))})


def create(call: Call[Compute]) -> Reply:
    given = read(call, CreateBody).aggregate
    _may(call, "create")
    made = aggregates.create(call.service, given.name, given.availability_zone)
    return Reply({"aggregate": _view(call, made, brief=True)})


def update(call: Call[Compute], aggregate_id: str) -> Reply:
    given = read(call, UpdateBody).aggregate
    if given == Update():
        raise BadRequest("Invalid input for field/attribute aggregate. Value: {}. {} should be non-empty")
    _may(call, "update")
    name = None if given.name is UNSET else given.name
    zone = None if given.availability_zone is UNSET else given.availability_zone
    return Reply({"aggregate": _view(call, aggregates.update(call.service, aggregate_id, name, zone))})


def delete(call: Call[Compute], aggregate_id: str) -> Reply:
    _may(call, "delete")
    aggregates.delete(call.service, aggregate_id)
    return Reply(status=200)


def act(call: Call[Compute], aggregate_id: str) -> Reply:
    """add_host, remove_host, set_metadata."""
    name, given = action(call, {"add_host": 1, "remove_host": 1, "set_metadata": 1})
    if name == "set_metadata":
        metadata = convert(given, Metadata).metadata
        _may(call, name)
        return Reply({"aggregate": _view(call, aggregates.set_metadata(call.service, aggregate_id, metadata))})
    host = convert(given, Host).host
    _may(call, name)
    change = aggregates.add_host if name == "add_host" else aggregates.remove_host
    return Reply({"aggregate": _view(call, change(call.service, aggregate_id, host))})


def zones(call: Call[Compute]) -> Reply:
    """The zones with a compute service that is enabled, and whether one is up."""
    call.service.policy.can(call.ctx, "os_compute_api:os-availability-zone:list")
    found: dict[str, bool] = {}
    with call.service.db.read() as connection:
        standing = services.Standing(call.service, connection)
        for row in services.find(connection, binary=services.COMPUTE):
            zone = standing.zone(row)
            usable = not row.disabled and standing.is_up(row)
            found[zone] = found.get(zone, False) or usable
    if not found:
        found[str(call.service.conf.default_availability_zone)] = False
    shown = [{"zoneName": zone, "zoneState": {"available": up}, "hosts": None} for zone, up in sorted(found.items())]
    return Reply({"availabilityZoneInfo": shown})


def zones_detail(call: Call[Compute]) -> Reply:
    """With the services of each host; the internal zone holds those that run no servers."""
    call.service.policy.can(call.ctx, "os_compute_api:os-availability-zone:detail")
    found: dict[str, dict[str, dict[str, Any]]] = {}
    with call.service.db.read() as connection:
        standing = services.Standing(call.service, connection)
        rows = services.find(connection)
    for row in rows:
        hosts = found.setdefault(standing.zone(row), {})
        hosts.setdefault(row.host, {})[row.binary] = {
            "available": standing.is_up(row),
            "active": not row.disabled,
            "updated_at": _time(row.updated_at),
        }
    shown = [
        {
            "zoneName": zone,
            "zoneState": {"available": any(one["available"] for host in hosts.values() for one in host.values())},
            "hosts": hosts,
        }
        for zone, hosts in sorted(found.items())
    ]
    return Reply({"availabilityZoneInfo": shown})
