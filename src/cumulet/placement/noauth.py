"""`[api] auth_strategy = noauth2`: tokens that say themselves who the caller is. For tests; nothing is verified."""

from __future__ import annotations

import falcon

from cumulet.kernel.context import Context
from cumulet.kernel.errors import Unauthorized


def authenticate(req: falcon.Request, *, required: bool) -> Context:
    """`X-Auth-Token: USER:PROJECT`; the user `admin` has that role. Raises Unauthorized without a token."""
    token = req.get_header("X-Auth-Token")
    if not token:
        if required:
            raise Unauthorized("The request you have made requires authentication.")
        return Context()
    user, _, project = token.partition(":")
    return Context(user_id=user, project_id=project or user, roles=("admin",) if user == "admin" else ())
