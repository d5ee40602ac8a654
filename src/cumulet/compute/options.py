"""The options of nova.conf that Compute heeds; every other one is read over."""

from __future__ import annotations

from oslo_config import cfg

from cumulet.kernel.settings import Settings

API = [
    cfg.IntOpt("max_limit", default=1000, min=0, help="The most rows a page has."),
    cfg.StrOpt("compute_link_prefix", help="The base of links, where it is not what the client addressed."),
    cfg.StrOpt("dhcp_domain", default="novalocal", help="What follows the host name in a guest's metadata."),
    cfg.BoolOpt("enable_instance_password", default=True, help="Tell users and guests an administrator's password."),
    cfg.ListOpt("vendordata_providers", default=["StaticJSON"]),
    cfg.StrOpt("vendordata_jsonfile_path", help="JSON that every guest is told as vendor data."),
    cfg.ListOpt("vendordata_dynamic_targets", default=[], help="name@url of services asked for each guest's own."),
    cfg.IntOpt("vendordata_dynamic_read_timeout", default=5, min=1, help="Seconds."),
    cfg.BoolOpt("vendordata_dynamic_failure_fatal", default=False),
]
NEUTRON = [
    cfg.StrOpt("metadata_proxy_shared_secret", default="", secret=True, help="Also in metadata_agent.ini."),
]
QUOTA = [
    cfg.IntOpt("instances", default=10, min=-1),
    cfg.IntOpt("cores", default=20, min=-1),
    cfg.IntOpt("ram", default=50 * 1024, min=-1, help="MB"),
    cfg.IntOpt("metadata_items", default=128, min=-1),
    cfg.IntOpt("injected_files", default=5, min=-1),
    cfg.IntOpt("injected_file_content_bytes", default=10 * 1024, min=-1),
    cfg.IntOpt("injected_file_path_length", default=255, min=-1),
    cfg.IntOpt("key_pairs", default=100, min=-1),
    cfg.IntOpt("server_groups", default=10, min=-1),
    cfg.IntOpt("server_group_members", default=10, min=-1),
]
DEFAULT = [
    cfg.IntOpt("service_down_time", default=60, help="Seconds without a report after which a service counts as down."),
    cfg.StrOpt("default_availability_zone", default="nova"),
    cfg.StrOpt("internal_service_availability_zone", default="internal"),
    cfg.StrOpt("instance_usage_audit_period", default="month"),
]
MOVES = [
    cfg.IntOpt("shelved_offload_time", default=0, min=-1, help="Seconds; 0 at once, -1 never."),
    cfg.IntOpt("reclaim_instance_interval", default=0, help="Seconds a deleted server can be restored; 0: never."),
    cfg.IntOpt("resize_confirm_window", default=0, min=0, help="Seconds until a resize is confirmed; 0: never."),
    cfg.BoolOpt("allow_resize_to_same_host", default=False),
    cfg.IntOpt("sync_power_state_interval", default=600, help="Seconds; negative: never."),
]
VNC = [
    cfg.BoolOpt("enabled", default=True),
    cfg.StrOpt("novncproxy_base_url", default="http://127.0.0.1:6080/vnc_auto.html"),
]
SERIAL = [
    cfg.BoolOpt("enabled", default=False),
    cfg.StrOpt("base_url", default="ws://127.0.0.1:6083/"),
]
CONSOLES = [cfg.IntOpt("token_ttl", default=600, min=0, help="Seconds a console's token is good for.")]
SCHEDULER = [
    cfg.ListOpt(
        "enabled_filters",
        default=[
            "ComputeFilter",
            "ComputeCapabilitiesFilter",
            "ImagePropertiesFilter",
            "ServerGroupAntiAffinityFilter",
            "ServerGroupAffinityFilter",
            "NUMATopologyFilter",
        ],
        help="Which filters look at the hosts that Placement found, by name, in this order.",
    ),
    cfg.IntOpt("host_subset_size", default=1, min=1, help="One of this many best hosts is taken, at random."),
    cfg.FloatOpt("ram_weight_multiplier", default=1.0),
    cfg.FloatOpt("cpu_weight_multiplier", default=1.0),
    cfg.FloatOpt("disk_weight_multiplier", default=1.0),
    cfg.FloatOpt("io_ops_weight_multiplier", default=-1.0),
    cfg.FloatOpt("soft_affinity_weight_multiplier", default=1.0, min=0.0),
    cfg.FloatOpt("soft_anti_affinity_weight_multiplier", default=1.0, min=0.0),
    cfg.IntOpt("max_instances_per_host", default=50, min=1),
    cfg.IntOpt("max_io_ops_per_host", default=8),
]
PLACEMENT_RESULTS = [cfg.IntOpt("max_placement_results", default=1000, min=1)]


def say_where_consoles_are(conf: cfg.ConfigOpts, settings: Settings) -> None:
    """Defaults for this cloud: its address and ports (agents/host/consoles.py listens there)."""
    host = settings.public_host or ("127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host)  # noqa: S104
    pages = f"http://{host}:{settings.port(6080)}/vnc_auto.html"
    conf.set_default("novncproxy_base_url", pages, group="vnc")
    conf.set_default("base_url", f"ws://{host}:{settings.port(6083)}/", group="serial_console")


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(DEFAULT)
    conf.register_opts(MOVES)
    conf.register_opts(VNC, group="vnc")
    conf.register_opts(SERIAL, group="serial_console")
    conf.register_opts(CONSOLES, group="consoleauth")
    conf.register_opts(API, group="api")
    conf.register_opts(NEUTRON, group="neutron")
    conf.register_opts(QUOTA, group="quota")
    conf.register_opts(SCHEDULER, group="filter_scheduler")
    conf.register_opts(PLACEMENT_RESULTS, group="scheduler")
