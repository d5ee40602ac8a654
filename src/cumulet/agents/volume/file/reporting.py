"""A file back end's capacity."""

from __future__ import annotations

import os
from typing import Final

from cumulet.agents.volume.file.options import FileOptions
from cumulet.agents.volume.file.records import Records
from cumulet.agents.volume.protocols import BackendReport, Pool

_GIB: Final = 1 << 30


def report_of(options: FileOptions, records: Records) -> BackendReport:
    status = os.statvfs(options.folder)
    sizes = [record.size_gb for _, record in records.all()]
    pool = Pool(
        name=options.volume_backend_name,
        total_gb=round(status.f_blocks * status.f_frsize / _GIB, 2),
        free_gb=round(status.f_bavail * status.f_frsize / _GIB, 2),
        provisioned_gb=sum(sizes),
        volumes=len(sizes),
        location_info=f"file:{options.host}:{options.folder}",
    )
    return BackendReport(
        name=options.name,
        volume_backend_name=options.volume_backend_name,
        driver="file",
        storage_protocol=options.storage_protocol,
        pools=[pool],
        reserved_percentage=options.reserved_percentage,
        max_over_subscription_ratio=options.max_over_subscription_ratio,
        multiattach=True,
        clones_cheaply=options.format == "qcow2",
        reason_down=options.reason_down,
    )
