"""Where a cloud keeps what it owns: one directory, or the system's usual places for root."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """The directories of one cloud. Every one is made readable by its owner only."""

    state: Path  # databases, images, keys: what must survive
    config: Path  # keystone.conf, policy files, cumulet.conf
    logs: Path
    run: Path  # sockets, pid files, settings of the running cloud

    @classmethod
    def at(cls, state_dir: str | os.PathLike[str] | None = None) -> Paths:
        """The directories below `state_dir`; without it root's usual places, otherwise XDG's."""
        if state_dir is not None:
            base = Path(state_dir).absolute()
            return cls(base, base / "etc", base / "log", base / "run")
        if os.geteuid() == 0:
            return cls(Path("/var/lib/cumulet"), Path("/etc/cumulet"), Path("/var/log/cumulet"), Path("/run/cumulet"))
        home = Path.home()
        state = Path(os.environ.get("XDG_STATE_HOME") or home / ".local/state") / "cumulet"
        config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "cumulet"
        run = Path(os.environ["XDG_RUNTIME_DIR"]) / "cumulet" if "XDG_RUNTIME_DIR" in os.environ else state / "run"
        return cls(state, config, state / "log", run)

    def make(self) -> None:
        for directory in (self.state, self.config, self.logs, self.run, self.databases, self.keys):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def databases(self) -> Path:
        return self.state / "db"

    @property
    def keys(self) -> Path:
        return self.state / "keys"

    @property
    def settings(self) -> Path:
        return self.state / "settings.json"

    @property
    def engine_socket(self) -> Path:
        """Where `kernel.jobs.wake` reaches the engine."""
        return self.run / "engine.sock"

    def sqlite_url(self, service: str) -> str:
        return f"sqlite:///{self.databases / service}.sqlite"
