"""The options of cinder.conf that Volume heeds; every other one is read over."""

from __future__ import annotations

from oslo_config import cfg

DEFAULT = [
    cfg.IntOpt("osapi_max_limit", default=1000, min=0, help="The most rows a page has."),
    cfg.StrOpt("public_endpoint", help="The base of links, where it is not what the client addressed."),
    cfg.StrOpt("default_volume_type", default="__DEFAULT__", help="The type of volumes that name none."),
    cfg.StrOpt("storage_availability_zone", default="nova"),
    cfg.StrOpt("default_availability_zone", help="The zone of volumes that name none; else that of this node."),
    cfg.BoolOpt("allow_availability_zone_fallback", default=False),
    cfg.BoolOpt("cloned_volume_same_az", default=True),
    cfg.BoolOpt("snapshot_same_host", default=True),
    cfg.IntOpt("service_down_time", default=60, help="Seconds without a report after which a service counts as down."),
    cfg.StrOpt("resource_query_filters_file", help="JSON: which filters users may give, from 3.31 on."),
    cfg.BoolOpt("no_snapshot_gb_quota", default=False, help="Snapshots do not count against gigabytes."),
    cfg.IntOpt("quota_volumes", default=10, min=-1),
    cfg.IntOpt("quota_snapshots", default=10, min=-1),
    cfg.IntOpt("quota_gigabytes", default=1000, min=-1),
    cfg.IntOpt("quota_backups", default=10, min=-1),
    cfg.IntOpt("quota_backup_gigabytes", default=1000, min=-1),
    cfg.IntOpt("quota_groups", default=10, min=-1),
    cfg.IntOpt("quota_consistencygroups", default=10, min=-1),
    cfg.IntOpt("message_ttl", default=2_592_000, min=1, help="Seconds for which messages are kept."),
    cfg.StrOpt("backup_driver", default="cinder.backup.drivers.posix.PosixBackupDriver"),
    cfg.StrOpt("default_group_type", help="The group type that `group_types/default` shows."),
    cfg.IntOpt("per_volume_size_limit", default=-1, min=-1),
    cfg.ListOpt(
        "scheduler_default_filters",
        default=["AvailabilityZoneFilter", "CapacityFilter", "CapabilitiesFilter"],
        help="Which filters look at the pools, by name, in this order.",
    ),
    cfg.ListOpt("scheduler_default_weighers", default=["CapacityWeigher"]),
    cfg.FloatOpt("capacity_weight_multiplier", default=1.0),
    cfg.FloatOpt("allocated_capacity_weight_multiplier", default=-1.0),
    cfg.FloatOpt("volume_number_multiplier", default=-1.0),
    cfg.FloatOpt("goodness_weight_multiplier", default=1.0),
    cfg.IntOpt("scheduler_max_attempts", default=3, min=1),
    cfg.FloatOpt("max_over_subscription_ratio", default=20.0),
    cfg.ListOpt("enabled_backends", default=[]),
    cfg.StrOpt("volume_name_template", default="volume-%s"),
    cfg.BoolOpt("glance_api_insecure", default=False),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(DEFAULT)
