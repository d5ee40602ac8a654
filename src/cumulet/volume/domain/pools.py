"""What back ends report of their pools, and what of it is given away."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.volume.domain import services
from cumulet.volume.service import Volume
from cumulet.volume.tables import pools, volume_services, volumes

_GIVEN = volumes.c.size + volumes.c.growing_gb
_USED = sa.select(volumes.c.host, sa.func.sum(_GIVEN), sa.func.count()).group_by(volumes.c.host)
_ALL = sa.select(pools).order_by(pools.c.name)
_decode = msgspec.json.Decoder().decode


@dataclass
class Pool:
    """A pool as the scheduler sees it. Sizes are GiB; `allocated_gb` are Volume's own volumes in it."""

    name: str  # HOST@BACKEND#POOL
    zone: str
    usable: bool  # its service is up, enabled, not frozen
    facts: dict[str, Any]
    total_gb: float
    free_gb: float
    provisioned_gb: float
    allocated_gb: int
    volumes: int
    reported_at: int
    service_id: str
    disabled: bool
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def backend(self) -> str:
        return self.name.partition("#")[0]

    @property
    def backend_name(self) -> str:
        return str(self.facts["volume_backend_name"])


def load_all(volume: Volume, connection: Connection) -> list[Pool]:
    """All pools, by three queries."""
    own = {row.host: row for row in services.find(connection, binary=services.VOLUME)}
    used = {host: (int(size or 0), int(number)) for host, size, number in connection.execute(_USED)}
    rows = connection.execute(_ALL).all()
    return [_pool(volume, row, own[row.backend], used.get(row.name, (0, 0))) for row in rows if row.backend in own]


def _pool(volume: Volume, row: Row[Any], service: Row[Any], used: tuple[int, int]) -> Pool:
    facts = _decode(row.capabilities)
    pool = facts["pool"]
    usable = services.is_up(volume, service) and not service.disabled and not service.frozen
    return Pool(
        name=row.name,
        zone=service.availability_zone,
        usable=usable and not facts.get("reason_down"),
        facts=facts,
        total_gb=pool["total_gb"],
        free_gb=pool["free_gb"],
        provisioned_gb=max(pool["provisioned_gb"], used[0]),
        allocated_gb=used[0],
        volumes=used[1],
        reported_at=row.reported_at,
        service_id=service.id,
        disabled=service.disabled,
    )


def lock(connection: Connection, name: str) -> int:
    """Lock a pool until the transaction ends; returns the GiB allocated in it. Raises LookupError."""
    row = connection.execute(sa.select(pools.c.name).where(pools.c.name == name).with_for_update()).first()
    if row is None:
        raise LookupError(name)
    query = sa.select(sa.func.coalesce(sa.func.sum(_GIVEN), 0)).where(volumes.c.host == name)
    return int(connection.execute(query).scalar_one())


def service_of(connection: Connection, host: str) -> Row[Any] | None:
    """The service of the back end that a volume's host names."""
    mine = sa.and_(volume_services.c.host == host.partition("#")[0], volume_services.c.binary == services.VOLUME)
    return connection.execute(sa.select(volume_services).where(mine)).first()
