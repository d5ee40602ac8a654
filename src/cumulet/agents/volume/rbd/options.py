"""What cinder.conf says of a Ceph pool, by the names that operators know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from oslo_config import cfg

RBD_OPTS: Final = [
    cfg.StrOpt("rbd_pool", default="rbd"),
    cfg.StrOpt("rbd_cluster_name", default="ceph"),
    cfg.StrOpt("rbd_user", help="Whom to log in as, without `client.`; its key is where ceph.conf or Ceph says."),
    cfg.StrOpt("rbd_ceph_conf", default="", help="Default: /etc/ceph/<rbd_cluster_name>.conf."),
    cfg.StrOpt("rbd_secret_uuid", help="Where hosts of guests have the user's key as libvirt's secret."),
    cfg.BoolOpt("rbd_flatten_volume_from_snapshot", default=False),
    cfg.IntOpt("rbd_max_clone_depth", default=5, min=0, help="A clone of so many clones is a full copy; 0: every one."),
    cfg.IntOpt("rbd_store_chunk_size", default=4, min=1, help="MiB in an object."),
    cfg.IntOpt("rados_connect_timeout", default=-1, help="Seconds. Below 1: 30."),
    cfg.BoolOpt("report_dynamic_total_capacity", default=True),
]
_ASK_S: Final = 30


@dataclass(frozen=True)
class RbdOptions:
    """`ask_s`: how long a question to Ceph may take."""

    name: str
    host: str
    pool: str
    conf: Path
    volume_backend_name: str
    user: str | None = None
    cluster: str = "ceph"
    secret_uuid: str | None = None
    flatten_from_snapshot: bool = False
    max_clone_depth: int = 5
    object_mb: int = 4
    ask_s: int = _ASK_S
    dynamic_total: bool = True
    reserved_percentage: int = 0
    max_over_subscription_ratio: str = "20.0"


def options_of(section: Any, name: str, host: str) -> RbdOptions:
    """From a section that RBD_OPTS and the other back ends' options are registered in."""
    return RbdOptions(
        name=name,
        host=host,
        pool=section.rbd_pool,
        conf=Path(section.rbd_ceph_conf or f"/etc/ceph/{section.rbd_cluster_name}.conf"),
        volume_backend_name=section.volume_backend_name or name,
        user=section.rbd_user,
        cluster=section.rbd_cluster_name,
        secret_uuid=section.rbd_secret_uuid,
        flatten_from_snapshot=section.rbd_flatten_volume_from_snapshot,
        max_clone_depth=section.rbd_max_clone_depth,
        object_mb=section.rbd_store_chunk_size,
        ask_s=section.rados_connect_timeout if section.rados_connect_timeout > 0 else _ASK_S,
        dynamic_total=section.report_dynamic_total_capacity,
        reserved_percentage=section.reserved_percentage,
        max_over_subscription_ratio=section.max_over_subscription_ratio,
    )
