"""How one cloud is run: what `cumulet up` was told, handed to every process of it."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from cumulet.kernel.paths import Paths

# Where a project's files are not just <project>.conf.
FILE_NAMES = {
    "glance": ("glance.conf", "glance-api.conf"),
    "neutron": (
        "neutron.conf",
        "plugins/ml2/ml2_conf.ini",
        "plugins/ml2/linuxbridge_agent.ini",
        "plugins/ml2/openvswitch_agent.ini",
        "dhcp_agent.ini",
        "l3_agent.ini",
        "metadata_agent.ini",
    ),
}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses, ports and files of one cloud. `state_dir` None means the system's usual places."""

    state_dir: str | None = None
    host: str = "127.0.0.1"  # address to listen on
    public_host: str | None = None  # name or address in the catalog; the listening address if None
    port_offset: int = 0
    single_port: int | None = None  # all services under paths on this port
    tls_cert: str | None = None
    tls_key: str | None = None
    simulate: bool = False
    workers: int = 0  # API processes; 0: one a core, at most 4
    threads: int = 4  # requests a process works on at once, a service
    region: str = "RegionOne"
    services: tuple[str, ...] = ()  # empty: every service there is
    by_hand: bool | None = None  # users, services and endpoints are made by an administrator; None: not yet started
    config_files: dict[str, list[str]] = msgspec.field(default_factory=dict)  # project -> files read last

    @property
    def paths(self) -> Paths:
        return Paths.at(self.state_dir)

    @property
    def api_workers(self) -> int:
        return self.workers or max(1, min(4, os.cpu_count() or 1))

    def port(self, standard: int) -> int:
        return standard + self.port_offset

    def url(self, standard_port: int, path: str) -> str:
        """Where a service answers, without a trailing slash: `http://127.0.0.1:5000` or `…:8080/identity`."""
        scheme = "https" if self.tls_cert else "http"
        host = self.public_host or ("127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host)  # noqa: S104
        if ":" in host:
            host = f"[{host}]"
        if self.single_port is not None:
            return f"{scheme}://{host}:{self.single_port}{path}"
        return f"{scheme}://{host}:{self.port(standard_port)}"

    def files_of(self, project: str) -> list[Path]:
        """The configuration files of a project that exist, in the order they are read.

        They are looked for by the names operators know: in /etc/<project> (not when all is in one state directory),
        in the cloud's configuration directory, and in a directory of the project's name below it.
        """
        places = [self.paths.config, self.paths.config / project]
        if self.state_dir is None:
            places.insert(0, Path("/etc") / project)
        names = FILE_NAMES.get(project, (f"{project}.conf",))
        candidates = [place / name for place in places for name in names]
        candidates += [Path(file) for file in self.config_files.get(project, ())]
        return [file for file in candidates if file.exists()]

    def save(self) -> None:
        """Remember them, so that the next start resumes this cloud and other commands know where it answers."""
        write_private(self.paths.settings, msgspec.json.format(msgspec.json.encode(self)))

    @classmethod
    def load(cls, paths: Paths) -> Settings | None:
        """The settings of the cloud that runs, or last ran, in these directories."""
        return msgspec.json.decode(paths.settings.read_bytes(), type=cls) if paths.settings.exists() else None


def write_private(path: Path, data: bytes) -> None:
    """Replace a file atomically, readable by its owner only from the first byte on."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
