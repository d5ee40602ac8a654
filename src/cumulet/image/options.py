"""The options of glance-api.conf that Image heeds, under the original's names; every other one is read over."""

from __future__ import annotations

from collections.abc import Sequence

from oslo_config import cfg

_STRINGS = cfg.types.String(quotes=True)
_GIB = 1 << 30

DEFAULT = [
    cfg.StrOpt("public_endpoint", help="The base of absolute links, where it is not what the client addressed."),
    cfg.StrOpt("worker_self_reference_url", help="How other hosts' Image services reach this one's staged data."),
    cfg.StrOpt("hashing_algorithm", default="sha512", help="The algorithm of os_hash_value."),
    cfg.IntOpt("image_member_quota", default=128, help="Members an image may have; negative: any number."),
    cfg.IntOpt("image_property_quota", default=128, help="Properties an image may have; negative: any number."),
    cfg.IntOpt("image_tag_quota", default=128, help="Tags an image may have; negative: any number."),
    cfg.IntOpt("image_location_quota", default=10, help="Locations an image may have; negative: any number."),
    cfg.IntOpt("limit_param_default", default=25, min=1, help="Rows of a list when no limit is given."),
    cfg.IntOpt("api_limit_max", default=1000, min=1, help="The most rows of a list."),
    cfg.BoolOpt("show_image_direct_url", default=False, help="Show where an image's data lies."),
    cfg.BoolOpt("show_multiple_locations", default=False, help="Show all locations and let them be changed."),
    cfg.BoolOpt("do_secure_hash", default=True, help="Read and hash the data of a location that is added."),
    cfg.IntOpt("http_retries", default=3, help="How often a failed read of remote data is tried again."),
    cfg.IntOpt("image_size_cap", default=1 << 40, min=1, max=1 << 63, help="The most bytes of an image."),
    cfg.StrOpt("user_storage_quota", default="0", help="Bytes a project may store (a unit may follow); 0: any."),
    cfg.BoolOpt("use_keystone_limits", default=False, help="Heed the limits registered in Identity."),
    cfg.StrOpt("node_staging_uri", help="file:// URL of the staging directory. Default: in the state directory."),
    cfg.ListOpt(
        "enabled_import_methods",
        item_type=cfg.types.String(
            choices=["glance-direct", "web-download", "copy-image", "glance-download"], quotes=True
        ),
        bounds=True,
        default=["glance-direct", "web-download", "copy-image"],
    ),
    cfg.DictOpt("enabled_backends", help="Named stores: `<name>:<kind>` pairs. Kinds: file, http."),
    cfg.StrOpt("property_protection_file", help="Who may create, read, update and delete which properties."),
    cfg.StrOpt("property_protection_rule_format", default="roles", choices=["roles", "policies"]),
    cfg.StrOpt("image_cache_dir", help="Where images are cached. Unset: there is no cache."),
    cfg.IntOpt("image_cache_max_size", default=10 * _GIB, help="Bytes that pruning leaves in the cache."),
    cfg.IntOpt("image_cache_stall_time", default=86400, help="Seconds after which an unfinished entry is cleaned."),
    cfg.StrOpt("image_cache_driver", default="centralized_db"),
]
IMAGE_FORMAT = [
    cfg.ListOpt(
        "container_formats",
        default=["ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"],
        deprecated_opts=[cfg.DeprecatedOpt("container_formats", group="DEFAULT")],
    ),
    cfg.ListOpt(
        "disk_formats",
        default=["ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop"],
        deprecated_opts=[cfg.DeprecatedOpt("disk_formats", group="DEFAULT")],
    ),
    cfg.BoolOpt("require_image_format_match", default=True, help="Refuse data that is not of the disk_format."),
    cfg.ListOpt("gpt_safety_checks_nonfatal", default=[], help="Checks of GPT images that only warn."),
    cfg.ListOpt("vmdk_allowed_types", default=["streamOptimized", "monolithicSparse"]),
    cfg.IntOpt(
        "virtual_size_cap",
        default=1 << 46,
        min=1,
        help="The most bytes an image may claim to unfold to; a larger claim is refused as a bomb.",
    ),
]
TASK = [cfg.IntOpt("task_time_to_live", default=48, help="Hours for which a finished task is kept.")]
GLANCE_STORE = [
    cfg.StrOpt("default_backend", help="The store of enabled_backends that uploads go to."),
    cfg.ListOpt("stores", help="Kinds of store in the single-store form: file, http."),
    cfg.StrOpt("default_store", default="file"),
]
STORE = [
    cfg.StrOpt("filesystem_store_datadir", help="Where a store of kind file keeps its data."),
    cfg.IntOpt("filesystem_store_file_perm", default=0, help="Permission bits of new files, octal; 0: owner only."),
    cfg.IntOpt("filesystem_store_chunk_size", default=64 << 10, min=1),
    cfg.BoolOpt("filesystem_thin_provisioning", default=False, help="Leave holes where data is zero."),
    cfg.StrOpt("store_description"),
    cfg.IntOpt("weight", default=0, help="Data is read from the store of the highest weight that has it."),
]
IMPORT_FILTERING = [
    cfg.ListOpt("allowed_schemes", item_type=_STRINGS, bounds=True, default=["http", "https"]),
    cfg.ListOpt("disallowed_schemes", item_type=_STRINGS, bounds=True, default=[]),
    cfg.ListOpt("allowed_hosts", item_type=cfg.types.HostAddress(), bounds=True, default=[]),
    cfg.ListOpt("disallowed_hosts", item_type=cfg.types.HostAddress(), bounds=True, default=[]),
    cfg.ListOpt("allowed_ports", item_type=cfg.types.Integer(min=1, max=65535), bounds=True, default=[80, 443]),
    cfg.ListOpt("disallowed_ports", item_type=cfg.types.Integer(min=1, max=65535), bounds=True, default=[]),
]
GLANCE_DOWNLOAD = [
    cfg.ListOpt(
        "extra_properties",
        item_type=_STRINGS,
        bounds=True,
        default=["hw_", "trait:", "os_distro", "os_secure_boot", "os_type"],
    )
]
IMPORT_PLUGINS = [
    cfg.ListOpt(
        "image_import_plugins",
        item_type=_STRINGS,
        bounds=True,
        default=[],
        help="What is done with imported data: image_conversion, image_decompression, inject_image_metadata, no_op.",
    )
]
INJECT_METADATA = [
    cfg.ListOpt("ignore_user_roles", default=["admin"]),
    cfg.DictOpt("inject", default={}, help="Properties put on every imported image."),
]
IMAGE_CONVERSION = [cfg.StrOpt("output_format", default="raw", choices=["qcow2", "raw", "vmdk"])]
OSLO_LIMIT = [
    cfg.StrOpt("endpoint_id"),
    cfg.StrOpt("endpoint_service_type", default="image"),
    cfg.StrOpt("endpoint_service_name", default="glance"),
    cfg.StrOpt("endpoint_region_name"),
]
GROUPS: tuple[tuple[str, Sequence[cfg.Opt]], ...] = (
    ("image_format", IMAGE_FORMAT),
    ("task", TASK),
    ("glance_store", [*GLANCE_STORE, *STORE]),
    ("os_glance_staging_store", STORE),
    ("os_glance_tasks_store", STORE),
    ("import_filtering_opts", IMPORT_FILTERING),
    ("glance_download_properties", GLANCE_DOWNLOAD),
    ("image_import_opts", IMPORT_PLUGINS),
    ("inject_metadata_properties", INJECT_METADATA),
    ("image_conversion", IMAGE_CONVERSION),
    ("oslo_limit", OSLO_LIMIT),
)


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(DEFAULT)
    for group, opts in GROUPS:
        conf.register_opts(opts, group=group)


def register_store(conf: cfg.ConfigOpts, name: str) -> None:
    """The options of one named store stand in a section of its name."""
    conf.register_opts(STORE, group=name)
