"""`/v2.1/os-aggregates` and `/v2.1/os-availability-zone` (Compute API, Host aggregates, Availability zones)."""

from __future__ import annotations

from typing import Any

from cumulet.compute.bodies import action
from cumulet.compute.domain import aggregates, services
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


def _name(value: Any, field: str, *, maximum: int = 255) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > maximum:
        raise BadRequest(f"Invalid input for field/attribute {field}. Value: {value}.")
    if value != value.strip() and field == "name":
        raise BadRequest(f"Invalid input for field/attribute {field}. Value: {value}. It has spaces around.")
    if field == "availability_zone" and ":" in value:
        raise BadRequest(f"Invalid input for field/attribute {field}. Value: {value}. It must not have a colon.")
    return value


def _given(call: Call[Compute], *, required: bool) -> tuple[str | None, str | None]:
    body = call.raw_json()
    inner = body.get("aggregate") if isinstance(body, dict) and set(body) == {"aggregate"} else None
    if not isinstance(inner, dict) or set(inner) - {"name", "availability_zone"} or not (inner or not required):
        raise BadRequest("Invalid input for field/attribute aggregate. It has a name and an availability_zone.")
    if required and "name" not in inner:
        raise BadRequest("Invalid input for field/attribute aggregate. 'name' is a required property")
    name = _name(inner["name"], "name") if "name" in inner else None
    zone = inner.get("availability_zone")
    return name, None if zone is None else _name(zone, "availability_zone")


def index(call: Call[Compute]) -> Reply:
    _may(call, "index")
    with call.service.db.read() as connection:
        return Reply({"aggregates": [_view(call, found) for found in aggregates.find(connection)]})


def show(call: Call[Compute], aggregate_id: str) -> Reply:
    _may(call, "show")
    with call.service.db.read() as connection:
        return Reply({"aggregate": _view(call, aggregates.load(connection, aggregate_id))})


def create(call: Call[Compute]) -> Reply:
    _may(call, "create")
    name, zone = _given(call, required=True)
    return Reply({"aggregate": _view(call, aggregates.create(call.service, str(name), zone), brief=True)})


def update(call: Call[Compute], aggregate_id: str) -> Reply:
    _may(call, "update")
    name, zone = _given(call, required=False)
    if name is None and zone is None:
        raise BadRequest("Invalid input for field/attribute aggregate. Give a name or an availability_zone.")
    return Reply({"aggregate": _view(call, aggregates.update(call.service, aggregate_id, name, zone))})


def delete(call: Call[Compute], aggregate_id: str) -> Reply:
    _may(call, "delete")
    aggregates.delete(call.service, aggregate_id)
    return Reply(status=200)


def act(call: Call[Compute], aggregate_id: str) -> Reply:
    """add_host, remove_host, set_metadata."""
    name, given = action(call, {"add_host": 1, "remove_host": 1, "set_metadata": 1})
    _may(call, name)
    if name == "set_metadata":
        found = aggregates.set_metadata(call.service, aggregate_id, _metadata(given))
    else:
        if not isinstance(given, dict) or set(given) != {"host"}:
            raise BadRequest(f"Invalid input for field/attribute {name}. It is an object with a host.")
        host = _name(given["host"], "host")
        change = aggregates.add_host if name == "add_host" else aggregates.remove_host
        found = change(call.service, aggregate_id, host)
    return Reply({"aggregate": _view(call, found)})


def _metadata(given: Any) -> dict[str, str | None]:
    inner = given.get("metadata") if isinstance(given, dict) and set(given) == {"metadata"} else None
    if not isinstance(inner, dict) or not inner:
        raise BadRequest("Invalid input for field/attribute metadata. It is an object of keys and values.")
    for key, value in inner.items():
        if not 1 <= len(key) <= 255 or (value is not None and (not isinstance(value, str) or len(value) > 255)):
            raise BadRequest(f"Invalid input for field/attribute {key}. Value: {value}.")
    return inner


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
