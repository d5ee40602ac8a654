"""The back ends that cinder.conf names, read as operators write them.

`enabled_backends` names sections; without it there is one back end, called `file`, in the cloud's own directory. What
`volume_driver` ends in chooses: `LVMVolumeDriver` a volume group, `RBDDriver` a Ceph pool, `NfsDriver` or `file` a
directory.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from oslo_config import cfg

from cumulet.agents.volume.backups.repository import Repository
from cumulet.agents.volume.backups.swift import ObjectStore
from cumulet.agents.volume.down import DownDriver
from cumulet.agents.volume.exports import Exports
from cumulet.agents.volume.file.driver import FileDriver
from cumulet.agents.volume.file.options import FileOptions
from cumulet.agents.volume.lvm import LvmDriver, lvm_is_missing
from cumulet.agents.volume.protocols import OpenDisks, VolumeDriver
from cumulet.agents.volume.rbd.driver import RbdDriver
from cumulet.agents.volume.rbd.options import RBD_OPTS, options_of
from cumulet.agents.volume.rbd.tools import rbd_is_missing
from cumulet.kernel import config
from cumulet.kernel.client import Session

log = logging.getLogger(__name__)

DEFAULT_BACKEND: Final = "file"
_LONGEST_FOLDER: Final = 55
_KINDS: Final = {"LVMVolumeDriver": "lvm", "RBDDriver": "rbd", "FileDriver": "file", "NfsDriver": "nfs", "file": "file"}
HOST_OPTS = [
    cfg.ListOpt("enabled_backends", default=[], help="Sections of this file, a back end each."),
    cfg.StrOpt("my_ip", default="127.0.0.1", help="Where other hosts reach this one."),
    cfg.StrOpt("storage_availability_zone", default="nova"),
    cfg.StrOpt("backup_driver", default="cinder.backup.drivers.posix.PosixBackupDriver"),
    cfg.StrOpt("backup_posix_path", help="Directory of backups. Default: `backups` in the cloud's directory."),
    cfg.StrOpt("backup_mount_point_base", help="For NFSBackupDriver: where its share is mounted."),
    cfg.StrOpt("backup_swift_container", default="volumebackups"),
    cfg.IntOpt("backup_swift_retry_attempts", default=3, min=1),
    cfg.StrOpt("backup_swift_auth", default="per_user", choices=["per_user", "single_user"]),
    cfg.StrOpt("backup_swift_auth_url", help="For single_user: where it logs in."),
    cfg.StrOpt("backup_swift_user"),
    cfg.StrOpt("backup_swift_key", secret=True),
    cfg.StrOpt("backup_swift_project"),
    cfg.StrOpt("backup_swift_ca_cert_file"),
    cfg.StrOpt("backup_compression_algorithm", default="zlib", help="zlib, bz2 or none."),
]
BACKEND_OPTS = [
    cfg.StrOpt("volume_driver", default="cumulet.agents.volume.file.FileDriver"),
    cfg.StrOpt("volume_backend_name", help="What types ask for. Default: the section's name."),
    cfg.StrOpt("volumes_dir", help="Directory of the file back end. Default: below the cloud's own."),
    cfg.BoolOpt("volumes_shared", default=False, help="Every host mounts volumes_dir at the same place."),
    cfg.StrOpt("nfs_mount_point_base", help="For NfsDriver: where the share is mounted."),
    cfg.BoolOpt("nfs_qcow2_volumes", default=True),
    cfg.StrOpt("volume_format", choices=["qcow2", "raw"], help="Default: qcow2, or what nfs_qcow2_volumes says."),
    cfg.BoolOpt(
        "nbd_local",
        help="Serve volumes to guests of the same host too; false: as files. Default: as files that are qcow2, where "
        "the hypervisor can follow snapshots.",
    ),
    cfg.BoolOpt("nbd_tls", default=True, help="Serve volumes to other hosts inside TLS only."),
    cfg.PortOpt("nbd_first_port", default=10810),
    cfg.StrOpt("target_ip_address", help="Where exports listen. Default: my_ip."),
    cfg.StrOpt("volume_group", default="cinder-volumes"),
    cfg.StrOpt("lvm_fallback_dir", help="Keep volumes as files there where this host has no device mapper."),
    cfg.IntOpt("reserved_percentage", default=0, min=0, max=100),
    cfg.StrOpt("max_over_subscription_ratio", default="20.0"),
    *RBD_OPTS,
]


def load(files: Sequence[Path | str]) -> cfg.ConfigOpts:
    conf = config.load("cinder", files)
    conf.register_opts(HOST_OPTS)
    conf.register_opts(BACKEND_OPTS)
    for name in conf.enabled_backends:
        conf.register_opts(BACKEND_OPTS, group=name)
    return conf


def names_of(conf: cfg.ConfigOpts) -> Sequence[str]:
    """The back ends of this host."""
    return conf.enabled_backends or [DEFAULT_BACKEND]


def drivers_of(
    conf: cfg.ConfigOpts, host: str, state_dir: Path, disks: OpenDisks | None = None
) -> Mapping[str, VolumeDriver]:
    """A driver for each back end. One that cannot work is there too, and says why."""
    return {name: _driver(conf, name, host, state_dir, disks) for name in names_of(conf)}


def states_of(conf: cfg.ConfigOpts) -> Mapping[str, str | None]:
    """Why each back end cannot work on this host; None for those that can. Makes nothing."""
    return {name: _trouble(_section(conf, name), name) for name in names_of(conf)}


def _section(conf: cfg.ConfigOpts, name: str) -> Any:
    return conf[name] if name in conf.enabled_backends else conf


def _kind(section: Any) -> str:
    return str(section.volume_driver.rpartition(".")[2])


def _trouble(section: Any, name: str) -> str | None:
    kind = _kind(section)
    if kind not in _KINDS:
        return f"volume_driver {section.volume_driver} is not known here"
    if kind == "RBDDriver":
        return rbd_is_missing()
    missing = lvm_is_missing() if kind == "LVMVolumeDriver" else None
    if missing is None or section.lvm_fallback_dir is not None:
        return None
    return f"{missing}, so LVM cannot work here; set lvm_fallback_dir in [{name}] to keep volumes as files"


def _driver(conf: cfg.ConfigOpts, name: str, host: str, state_dir: Path, disks: OpenDisks | None) -> VolumeDriver:
    section = _section(conf, name)
    kind, trouble = _kind(section), _trouble(section, name)
    backend_name = section.volume_backend_name or name
    if trouble is not None:
        log.error("back end %s takes no volumes: %s", name, trouble)
        return DownDriver(name, backend_name, _KINDS.get(kind, "unknown"), trouble)
    if kind == "RBDDriver":
        return RbdDriver(options_of(section, name, host))
    folder = Path(section.volumes_dir or state_dir / name)
    if kind == "LVMVolumeDriver":
        missing = lvm_is_missing()
        if missing is None:
            return _lvm(conf, section, name, host, state_dir)
        log.warning("back end %s keeps volumes as files in %s: %s", name, section.lvm_fallback_dir, missing)
        folder = Path(section.lvm_fallback_dir)
    elif kind == "NfsDriver" and section.nfs_mount_point_base:
        folder = Path(section.nfs_mount_point_base)
    options = FileOptions(
        name=name,
        host=host,
        folder=folder,
        exports_folder=exports_folder(state_dir, name),
        volume_backend_name=backend_name,
        format=section.volume_format or ("qcow2" if section.nfs_qcow2_volumes else "raw"),
        shared=section.volumes_shared,
        nbd_local=section.nbd_local,
        tls=section.nbd_tls,
        address=section.target_ip_address or conf.my_ip,
        first_port=section.nbd_first_port,
        reserved_percentage=section.reserved_percentage,
        max_over_subscription_ratio=section.max_over_subscription_ratio,
        storage_protocol="nfs" if kind == "NfsDriver" else "file",
    )
    return FileDriver(options, disks)


def exports_of(conf: cfg.ConfigOpts, name: str, state_dir: Path) -> Exports:
    """What a back end serves to other hosts."""
    section = _section(conf, name)
    return Exports(
        exports_folder(state_dir, name),
        address=section.target_ip_address or conf.my_ip,
        first_port=section.nbd_first_port,
        tls=section.nbd_tls,
    )


def _lvm(conf: cfg.ConfigOpts, section: Any, name: str, host: str, state_dir: Path) -> LvmDriver:
    exports = exports_of(conf, name, state_dir)
    backend_name = section.volume_backend_name or name
    return LvmDriver(
        name=name, host=host, group=section.volume_group, volume_backend_name=backend_name, exports=exports
    )


def exports_folder(state_dir: Path, name: str) -> Path:
    """In the cloud's directory, or where sockets with a volume's id in their path are not too long for the system.

    Ports and keys have to outlive a restart of the host, so it is not below /run, where earlier versions had it.
    """
    folder = state_dir / "exports" / name
    if len(str(folder)) <= _LONGEST_FOLDER:
        return folder
    short = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    before = Path("/run/cumulet-exports", short)
    return before if before.exists() else Path("/var/lib/cumulet-exports", short)


def repository_of(
    conf: cfg.ConfigOpts, state_dir: Path, login: Callable[[], Session] | None = None
) -> Repository | None:
    """Where backups go; None when backup_driver is one that is not there. `login`: as whom an object store is used."""
    kind = conf.backup_driver.rpartition(".")[2]
    if kind == "SwiftBackupDriver" and login is not None:
        store = ObjectStore(login, container=conf.backup_swift_container, attempts=conf.backup_swift_retry_attempts)
        return Repository(store, algorithm=conf.backup_compression_algorithm)
    if kind not in ("PosixBackupDriver", "NFSBackupDriver"):
        log.error("this host keeps no backups: backup_driver %s is not known here", conf.backup_driver)
        return None
    where = conf.backup_posix_path or (conf.backup_mount_point_base if kind == "NFSBackupDriver" else None)
    return Repository(Path(where or state_dir / "backups"), algorithm=conf.backup_compression_algorithm)
