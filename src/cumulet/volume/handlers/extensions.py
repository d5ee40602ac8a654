"""`/extensions` (Block Storage API, API extensions): what older clients look at to know what there is."""

from __future__ import annotations

from typing import Any, Final

from cumulet.kernel.errors import NotFound
from cumulet.kernel.http import Call, Reply
from cumulet.volume.service import Volume

_KNOWN: Final[tuple[tuple[str, str, str, str], ...]] = (
    ("os-vol-image-meta", "VolumeImageMetadata", "2012-12-07", "Show image metadata associated with the volume."),
    ("os-volume-unmanage", "VolumeUnmanage", "2012-05-31", "Enable volume unmanage operation."),
    ("os-used-limits", "UsedLimits", "2013-10-03", "Provide data on limited resources that are being used."),
    ("os-admin-actions", "AdminActions", "2012-08-25", "Enable admin actions."),
    ("cgsnapshots", "Cgsnapshots", "2014-08-18", "cgsnapshots support."),
    ("os-types-extra-specs", "TypesExtraSpecs", "2011-08-24", "Type extra specs support."),
    ("os-snapshot-unmanage", "SnapshotUnmanage", "2014-12-31", "Enable volume unmanage operation."),
    ("encryption", "VolumeTypeEncryption", "2013-07-01", "Encryption support for volume types."),
    (
        "os-volume-encryption-metadata",
        "VolumeEncryptionMetadata",
        "2013-07-10",
        "Volume encryption metadata retrieval support.",
    ),
    ("consistencygroups", "Consistencygroups", "2014-08-18", "consistency groups support."),
    ("os-snapshot-actions", "SnapshotActions", "2013-07-16", "Enable snapshot manager actions."),
    ("backups", "Backups", "2012-12-12", "Backups support."),
    ("os-quota-sets", "Quotas", "2011-08-08", "Quota management support."),
    ("os-volume-actions", "VolumeActions", "2012-05-31", "Enable volume actions."),
    ("os-quota-class-sets", "QuotaClasses", "2012-03-12", "Quota classes management support."),
    ("os-availability-zone", "AvailabilityZones", "2013-06-27", "Describe Availability Zones."),
    ("os-volume-type-access", "VolumeTypeAccess", "2014-06-26", "Volume type access support."),
    ("os-services", "Services", "2012-10-28", "Services support."),
    ("os-hosts", "Hosts", "2011-06-29", "Admin-only host administration."),
    ("os-types-manage", "TypesManage", "2011-08-24", "Types manage support."),
    (
        "os-extended-snapshot-attributes",
        "ExtendedSnapshotAttributes",
        "2012-06-19",
        "Extended SnapshotAttributes support.",
    ),
    (
        "os-snapshot-manage",
        "SnapshotManage",
        "2014-12-31",
        "Allows existing backend storage to be 'managed' by Cinder.",
    ),
    ("qos-specs", "Qos_specs_manage", "2013-08-02", "QoS specs support."),
    ("os-vol-host-attr", "VolumeHostAttribute", "2011-11-03", "Expose host as an attribute of a volume."),
    ("scheduler-stats", "Scheduler_stats", "2014-09-07", "Scheduler stats support."),
    ("os-volume-manage", "VolumeManage", "2014-02-10", "Allows existing backend storage to be 'managed' by Cinder."),
    (
        "os-vol-mig-status-attr",
        "VolumeMigStatusAttribute",
        "2013-08-08",
        "Expose migration_status as an attribute of a volume.",
    ),
    ("os-volume-transfer", "VolumeTransfer", "2013-05-29", "Volume transfer management support."),
    (
        "os-vol-tenant-attr",
        "VolumeTenantAttribute",
        "2011-11-03",
        "Expose the internal project_id as an attribute of a volume.",
    ),
    ("OS-SCH-HNT", "SchedulerHints", "2013-04-18", "Pass arbitrary key/value pairs to the scheduler."),
    ("os-extended-services", "ExtendedServices", "2014-01-10", "Extended services support."),
    ("capabilities", "Capabilities", "2015-08-31", "Capabilities support."),
)
_SHOWN: Final[dict[str, dict[str, Any]]] = {
    alias: {
        "name": name,
        "alias": alias,
        "description": description,
        "updated": f"{day}T00:00:00+00:00",
        "links": [],
    }
    for alias, name, day, description in _KNOWN
}


def index(call: Call[Volume]) -> Reply:
    return Reply({"extensions": list(_SHOWN.values())})


def show(call: Call[Volume], alias: str) -> Reply:
    if alias not in _SHOWN:
        raise NotFound("The resource could not be found.")
    return Reply({"extension": _SHOWN[alias]})
