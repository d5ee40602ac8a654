"""The stores that glance-api.conf names, or one directory in the state directory when it names none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from oslo_config import cfg

from cumulet.image import options
from cumulet.image.stores.base import Store
from cumulet.image.stores.files import FileStore
from cumulet.image.stores.http import HttpStore
from cumulet.image.transfer.filtering import ImportFilter

RESERVED = "os_glance_"


class ConfigurationError(Exception):
    """The stores in glance-api.conf do not fit together; the message names the option."""


@dataclass
class Stores:
    """`multiple` is whether stores are named ([DEFAULT] enabled_backends): only then do clients see and choose them.

    `staging` keeps what is uploaded for an import until it is imported.
    """

    by_name: Mapping[str, Store]
    default: str
    multiple: bool
    staging: FileStore

    @property
    def default_store(self) -> Store:
        return self.by_name[self.default]

    def writable(self) -> list[str]:
        return [name for name, store in self.by_name.items() if not store.read_only]

    def of(self, location: Mapping[str, Any]) -> Store | None:
        """The store of a location: the one its metadata names, else the one that knows its URL."""
        named = self.by_name.get(str(location.get("metadata", {}).get("store")))
        if named is not None and named.claims(location["url"]):
            return named
        return self.claiming(location["url"])

    def claiming(self, url: str) -> Store | None:
        return next((store for store in self.by_name.values() if store.claims(url)), None)

    @property
    def weights(self) -> dict[str, int]:
        return {name: store.weight for name, store in self.by_name.items()}

    def all(self) -> list[Store]:
        return [*self.by_name.values(), self.staging]


def build(conf: cfg.ConfigOpts, state: Path, filtering: ImportFilter) -> Stores:
    """Raises ConfigurationError."""
    staging = FileStore("os_glance_staging_store", _staging_directory(conf, state))
    if conf.enabled_backends:
        return _named(conf, state, filtering, staging)
    if conf.glance_store.stores or conf.glance_store.filesystem_store_datadir:
        return _single(conf, state, filtering, staging)
    files = FileStore("file", state / "images")
    return Stores({"file": files}, "file", True, staging)


def _named(conf: cfg.ConfigOpts, state: Path, filtering: ImportFilter, staging: FileStore) -> Stores:
    made: dict[str, Store] = {}
    for name, kind in conf.enabled_backends.items():
        if name.startswith(RESERVED):
            raise ConfigurationError(f"enabled_backends: names that begin with {RESERVED} are reserved, as in {name!r}")
        options.register_store(conf, name)
        made[name] = _store(name, _word(kind), conf[name], state / "images" / name, filtering)
    default = conf.glance_store.default_backend or next((name for name in made if not made[name].read_only), None)
    if default not in made:
        raise ConfigurationError(f"[glance_store] default_backend: {default!r} is not one of enabled_backends")
    return Stores(made, default, True, staging)


def _single(conf: cfg.ConfigOpts, state: Path, filtering: ImportFilter, staging: FileStore) -> Stores:
    """The form before stores had names: kinds in [glance_store] stores, whose options stand in the same section."""
    kinds = list(dict.fromkeys(_word(kind) for kind in conf.glance_store.stores or ["file"]))
    made = {kind: _store(kind, kind, conf.glance_store, state / "images", filtering) for kind in kinds}
    default = _word(conf.glance_store.default_store)
    if default not in made:
        raise ConfigurationError(f"[glance_store] default_store: {default!r} is not one of stores")
    return Stores(made, default, False, staging)


def _store(name: str, kind: str, section: Any, directory: Path, filtering: ImportFilter) -> Store:
    if kind in ("file", "filesystem"):
        mode = int(str(section.filesystem_store_file_perm), 8) or 0o600
        return FileStore(
            name,
            Path(section.filesystem_store_datadir or directory),
            description=section.store_description,
            weight=section.weight,
            file_mode=mode,
            thin=section.filesystem_thin_provisioning,
            chunk_size=section.filesystem_store_chunk_size,
        )
    if kind in ("http", "https"):
        return HttpStore(name, filtering, description=section.store_description, weight=section.weight)
    raise ConfigurationError(f"enabled_backends or stores: there is no store of kind {kind!r}, only file and http")


def _word(text: str) -> str:
    """The value without a comment after it: oslo.config takes the whole line, and guides write some there."""
    return text.split("#", 1)[0].strip().split(" ", 1)[0]


def _staging_directory(conf: cfg.ConfigOpts, state: Path) -> Path:
    given = conf.os_glance_staging_store.filesystem_store_datadir
    if given:
        return Path(given)
    if conf.node_staging_uri:
        parts = urlsplit(conf.node_staging_uri)
        if parts.scheme != "file" or not parts.path:
            raise ConfigurationError("node_staging_uri: must be file:// and an absolute path")
        return Path(unquote(parts.path))
    return state / "staging"
