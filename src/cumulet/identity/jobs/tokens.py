"""What is kept about tokens does not grow for ever."""

from __future__ import annotations

import logging

from cumulet.identity.domain import tokens
from cumulet.identity.service import Identity
from cumulet.kernel.jobs import Job

LOG = logging.getLogger(__name__)


def flush(job: Job, identity: Identity) -> None:
    """Forget revocation events that no token is old enough for: what `keystone-manage token_flush` does by hand."""
    gone = tokens.flush(identity)
    if gone:
        LOG.info("%d revocation events were forgotten: no token is old enough for them", gone)
