"""OAuth 1.0a: users let programs act for them without giving away a password."""

from __future__ import annotations

from cumulet.identity.handlers import consumers, oauth1_tokens
from cumulet.kernel.http import Route

_ACCESS = "/v3/users/{user_id}/OS-OAUTH1/access_tokens"

ROUTES = (
    Route("GET", "/v3/OS-OAUTH1/consumers", consumers.index),
    Route("POST", "/v3/OS-OAUTH1/consumers", consumers.create),
    Route("GET", "/v3/OS-OAUTH1/consumers/{consumer_id}", consumers.show),
    Route("PATCH", "/v3/OS-OAUTH1/consumers/{consumer_id}", consumers.update),
    Route("DELETE", "/v3/OS-OAUTH1/consumers/{consumer_id}", consumers.delete),
    Route("POST", "/v3/OS-OAUTH1/request_token", oauth1_tokens.create_request_token, public=True),
    Route("PUT", "/v3/OS-OAUTH1/authorize/{request_token_id}", oauth1_tokens.authorize),
    Route("POST", "/v3/OS-OAUTH1/access_token", oauth1_tokens.create_access_token, public=True),
    Route("GET", _ACCESS, oauth1_tokens.index),
    Route("GET", f"{_ACCESS}/{{access_token_id}}", oauth1_tokens.show),
    Route("DELETE", f"{_ACCESS}/{{access_token_id}}", oauth1_tokens.delete),
    Route("GET", f"{_ACCESS}/{{access_token_id}}/roles", oauth1_tokens.roles_of),
    Route("GET", f"{_ACCESS}/{{access_token_id}}/roles/{{role_id}}", oauth1_tokens.role_of),
)
