"""A pool's capacity for the scheduler, asked for seldom: it means opening every image."""

from __future__ import annotations

import time
from typing import Final

from cumulet.agents.volume.protocols import BackendReport, Pool, Refused
from cumulet.agents.volume.rbd.images import GIB, Images
from cumulet.agents.volume.rbd.options import RbdOptions

VOLUME: Final = "volume-"
_KEEP_S: Final = 60.0
_PATIENCE_S: Final = 10.0
"""The host's other back ends wait for it."""


class Reporting:
    """What was last heard of the pool. Never raises, and does not ask a cluster often that does not answer."""

    def __init__(self, options: RbdOptions, images: Images) -> None:
        self._options, self._images = options, images
        self._known: BackendReport | None = None
        self._due = 0.0

    def changed(self) -> None:
        """Another volume, or one less: the next report is to know."""
        if self._known is not None and self._known.reason_down is None:
            self._due = 0.0

    def report(self) -> BackendReport:
        if self._known is None or time.monotonic() >= self._due:
            try:
                self._known = self._report([self._pool()], None)
            except Refused as error:
                self._known = self._report([], f"pool {self._options.pool} of Ceph cannot be used: {error}")
            self._due = time.monotonic() + _KEEP_S
        return self._known

    def _report(self, pools: list[Pool], reason_down: str | None) -> BackendReport:
        return BackendReport(
            name=self._options.name,
            volume_backend_name=self._options.volume_backend_name,
            driver="rbd",
            storage_protocol="ceph",
            pools=pools,
            reserved_percentage=self._options.reserved_percentage,
            max_over_subscription_ratio=self._options.max_over_subscription_ratio,
            multiattach=True,
            encryption=False,
            reason_down=reason_down,
        )

    def _pool(self) -> Pool:
        limit_s = min(self._options.ask_s, _PATIENCE_S)
        listed = [one for one in self._images.listed(limit_s) if one.snapshot is None]
        total, free = self._capacity()
        return Pool(
            self._options.volume_backend_name,
            round(total / GIB, 2),
            round(free / GIB, 2),
            round(sum(one.size for one in listed) / GIB, 2),
            sum(one.image.startswith(VOLUME) for one in listed),
            location_info=f"ceph:{self._options.conf}:{self._options.user}:{self._options.pool}",
        )

    def _capacity(self) -> tuple[int, int]:
        """Bytes that the pool may hold and those that are free: of its quota, where it has one."""
        pools = self._images.tools.ask_cluster("df", "detail")["pools"]
        facts = next((pool["stats"] for pool in pools if pool["name"] == self._options.pool), None)
        if facts is None:
            raise Refused(f"Ceph has no pool {self._options.pool}.")
        quota, used, free = int(facts.get("quota_bytes") or 0), int(facts["stored"]), int(facts["max_avail"])
        total = used + free
        if quota:
            total, free = quota, max(0, min(quota - used, free))
        return (used + free if self._options.dynamic_total else total), free
