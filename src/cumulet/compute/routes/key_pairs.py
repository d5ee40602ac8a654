"""Key pairs."""

from __future__ import annotations

from cumulet.compute.handlers import key_pairs
from cumulet.kernel.http import Route

ROUTES = (
    Route("GET", "/v2.1/os-keypairs", key_pairs.index),
    Route("POST", "/v2.1/os-keypairs", key_pairs.create),
    Route("GET", "/v2.1/os-keypairs/{name}", key_pairs.show),
    Route("DELETE", "/v2.1/os-keypairs/{name}", key_pairs.delete),
)
