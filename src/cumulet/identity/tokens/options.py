"""The options of keystone.conf about tokens and the ways to get one. `[cache]` and `[memcache]` are read over: what is
remembered here is kept in each process and checked against the database at every request."""

from __future__ import annotations

from oslo_config import cfg

METHODS = ["external", "password", "token", "oauth1", "mapped", "application_credential", "totp", "ec2credential"]

_KEYS = "Default: a directory below the state directory, made at the first start."
GROUPS: dict[str, list[cfg.Opt]] = {
    "token": [
        cfg.StrOpt(
            "provider",
            default="fernet",
            choices=["fernet", "jws", "uuid", "pki", "pkiz"],
            help="The last three are those of files from before 2018: Fernet tokens take their place.",
        ),
        cfg.IntOpt("expiration", default=3600, min=0, help="Seconds."),
        cfg.BoolOpt("allow_rescope_scoped_token", default=True),
        cfg.IntOpt(
            "allow_expired_window", default=48 * 3600, min=0, help="Seconds after which an expired token is gone."
        ),
    ],
    "fernet_tokens": [
        cfg.StrOpt("key_repository", help=_KEYS),
        cfg.IntOpt("max_active_keys", default=3, min=1),
    ],
    "fernet_receipts": [
        cfg.StrOpt("key_repository", help="Default: the repository of the tokens."),
        cfg.IntOpt("max_active_keys", default=3, min=1),
    ],
    "jwt_tokens": [
        cfg.StrOpt("jws_algorithm", default="ES256", choices=["ES256", "ES384", "ES512", "EdDSA"]),
        cfg.ListOpt("jws_accepted_algorithms", default=["ES256"]),
        cfg.StrOpt("jws_public_key_repository", help=_KEYS),
        cfg.StrOpt("jws_private_key_repository", help=_KEYS),
    ],
    "receipt": [cfg.IntOpt("expiration", default=300, min=0, max=86400, help="Seconds.")],
    "revoke": [cfg.IntOpt("expiration_buffer", default=1800, min=0, help="Seconds.")],
    "credential": [
        cfg.StrOpt("key_repository", help=_KEYS),
        cfg.IntOpt("auth_ttl", default=15, help="Minutes for which a signed EC2 or S3 request is good."),
        cfg.IntOpt("user_limit", default=-1, help="Credentials a user may have; -1: any number."),
    ],
    "auth": [
        cfg.ListOpt("methods", default=METHODS),
        cfg.ListOpt("additional_primary_auth_methods", default=[]),
    ],
    "trust": [
        cfg.BoolOpt("allow_redelegation", default=False),
        cfg.IntOpt("max_redelegation_count", default=3),
    ],
    "application_credential": [
        cfg.IntOpt("user_limit", default=-1, help="Application credentials a user may have; -1: any number."),
    ],
    "totp": [cfg.IntOpt("included_previous_windows", default=1, min=0, max=10, help="Windows of 30 seconds.")],
    "oauth2": [cfg.ListOpt("oauth2_authn_methods", default=["tls_client_auth", "client_secret_basic"])],
}


def register(conf: cfg.ConfigOpts) -> None:
    for group, options in GROUPS.items():
        conf.register_opts(options, group=group)
