"""The options of cinder.conf that Volume heeds; every other one is read over."""

from __future__ import annotations

from typing import Any

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
    cfg.StrOpt("scheduler_weight_handler", default="cinder.scheduler.weights.OrderedHostWeightHandler"),
    cfg.FloatOpt("capacity_weight_multiplier", default=1.0),
    cfg.FloatOpt("allocated_capacity_weight_multiplier", default=-1.0),
    cfg.FloatOpt("volume_number_multiplier", default=-1.0),
    cfg.FloatOpt("goodness_weight_multiplier", default=1.0),
    cfg.IntOpt("scheduler_max_attempts", default=3, min=1),
    cfg.FloatOpt("max_over_subscription_ratio", default=20.0),
    cfg.ListOpt("enabled_backends", default=[]),
    cfg.StrOpt("volume_name_template", default="volume-%s"),
    cfg.BoolOpt("glance_api_insecure", default=False),
    cfg.StrOpt("cinder_internal_tenant_project_id", help="The project that the image-volume cache's volumes are of."),
    cfg.StrOpt("cinder_internal_tenant_user_id", help="The user that the image-volume cache's volumes are of."),
]
BACKEND = [
    cfg.BoolOpt("image_volume_cache_enabled", default=False, help="Keep an image's bytes, to clone volumes from."),
    cfg.IntOpt("image_volume_cache_max_size_gb", default=0, min=0, help="0: no limit."),
    cfg.IntOpt("image_volume_cache_max_count", default=0, min=0, help="0: no limit."),
]
"""Of each back end, in its own section; `backend_defaults` counts for those that say nothing themselves."""
_SHARED = "backend_defaults"


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(DEFAULT)
    conf.register_opts(BACKEND)
    for section in (_SHARED, *conf.enabled_backends):
        conf.register_opts([_unset(option) for option in BACKEND], group=section)


def _unset(option: cfg.Opt) -> cfg.Opt:
    """The same option with nothing as its default, so that what is said elsewhere counts."""
    return type(option)(option.name, default=None, help=option.help)


def of_backend(conf: cfg.ConfigOpts, section: str, name: str) -> Any:
    """An option of a back end: from its section, from those shared by all, else from DEFAULT."""
    for group in (section, _SHARED):
        if group == _SHARED or group in conf.enabled_backends:
            value = conf[group][name]
            if value is not None:
                return value
    return conf[name]
