"""Tokens: how they are sealed and opened, their keys, and what a process remembers of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from oslo_config import cfg

from cumulet.identity.domain.revocations import Revocations
from cumulet.identity.tokens import keys
from cumulet.identity.tokens.fernet import FernetProvider
from cumulet.identity.tokens.generation import CurrentGeneration
from cumulet.identity.tokens.memory import Answers, Memory
from cumulet.identity.tokens.payload import Payload
from cumulet.identity.tokens.vault import Vault
from cumulet.kernel.db import Database
from cumulet.kernel.paths import Paths


class Provider(Protocol):
    """Makes a token's text of its facts and back."""

    def seal(self, token: Payload) -> str:
        """Raises keys.NoKeys."""

    def open(self, token: str) -> Payload | None:
        """None for a text that is no token of ours. Raises keys.NoKeys."""


@dataclass
class Tokens:
    """One process's tokens: provider, receipts, revocation events it knows, its memory, and the credentials' keys."""

    provider: Provider
    receipts: FernetProvider
    vault: Vault
    generation: CurrentGeneration
    revocations: Revocations
    answers: Answers = field(default_factory=Answers)
    memory: Memory = field(default_factory=Memory)


@dataclass(frozen=True)
class Repositories:
    """Where the keys are: as configured, else below the state directory."""

    fernet: Path
    receipts: Path
    credentials: Path
    jws_private: Path
    jws_public: Path

    @classmethod
    def of(cls, conf: cfg.ConfigOpts, paths: Paths) -> Repositories:
        fernet = Path(conf.fernet_tokens.key_repository or paths.keys / "fernet-keys")
        return cls(
            fernet=fernet,
            receipts=Path(conf.fernet_receipts.key_repository or fernet),
            credentials=Path(conf.credential.key_repository or paths.keys / "credential-keys"),
            jws_private=Path(conf.jwt_tokens.jws_private_key_repository or paths.keys / "jws-keys" / "private"),
            jws_public=Path(conf.jwt_tokens.jws_public_key_repository or paths.keys / "jws-keys" / "public"),
        )


def build(conf: cfg.ConfigOpts, paths: Paths, db: Database) -> Tokens:
    """The tokens of one process. Keys in the state directory are made where they are missing; keys in a directory
    that the operator named are the operator's to make (`keystone-manage fernet_setup`), as with the original."""
    places = Repositories.of(conf, paths)
    if conf.fernet_tokens.key_repository is None:
        keys.setup(places.fernet)
    if conf.credential.key_repository is None:
        keys.setup(places.credentials)
    provider: Provider
    if conf.token.provider == "jws":
        from cumulet.identity.tokens import jws  # brings libraries along that other clouds do without

        if conf.jwt_tokens.jws_private_key_repository is None:
            jws.setup(places.jws_private, places.jws_public, conf.jwt_tokens.jws_algorithm)
        provider = jws.JwsProvider(
            places.jws_private,
            places.jws_public,
            algorithm=conf.jwt_tokens.jws_algorithm,
            accepted=[conf.jwt_tokens.jws_algorithm, *conf.jwt_tokens.jws_accepted_algorithms],
        )
    else:
        provider = FernetProvider(places.fernet)
    return Tokens(
        provider,
        FernetProvider(places.receipts),
        Vault(places.credentials),
        CurrentGeneration(db),
        Revocations(events_kept(conf)),
    )


def events_kept(conf: cfg.ConfigOpts) -> int:
    """How long (µs) a revocation event matters: as long as a token of before it may still be shown to a service."""
    seconds = conf.token.expiration + max(conf.revoke.expiration_buffer, conf.token.allow_expired_window)
    return int(seconds) * 1_000_000
