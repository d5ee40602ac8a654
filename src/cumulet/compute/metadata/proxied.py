"""Which server a request comes from, as Network's proxy says it under its signature.

A guest cannot say it itself: the proxy removes these headers from what guests send, and knows the secret.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from cumulet.kernel.errors import BadRequest, Forbidden

log = logging.getLogger(__name__)


class Asker(NamedTuple):
    server_id: str
    project_id: str


def asker(environ: Mapping[str, Any], secret: str | None) -> Asker:
    """Raises BadRequest for a request that did not come through a proxy, Forbidden for a wrong signature."""
    server_id = environ.get("HTTP_X_INSTANCE_ID")
    signature = environ.get("HTTP_X_INSTANCE_ID_SIGNATURE")
    project_id = environ.get("HTTP_X_TENANT_ID")
    if server_id is None:
        raise BadRequest("X-Instance-ID header is missing from request.")
    if signature is None:
        raise BadRequest("X-Instance-ID-Signature header is missing from request.")
    if project_id is None:
        raise BadRequest("X-Tenant-ID header is missing from request.")
    if "," in server_id or "," in project_id:
        # How WSGI shows a header that was sent twice.
        raise BadRequest("Multiple X-Instance-ID or X-Tenant-ID headers found within request.")
    if not secret or not _is_signed(server_id, signature, secret):
        log.warning("a metadata request for server %r has a wrong signature", server_id[:64])
        raise Forbidden("Invalid proxy request signature.")
    return Asker(server_id, project_id)


def _is_signed(server_id: str, signature: str, secret: str) -> bool:
    expected = hmac.new(secret.encode(), server_id.encode("latin-1"), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode("latin-1"))
