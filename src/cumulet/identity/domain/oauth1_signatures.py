"""Signed requests of OAuth 1.0a (RFC 5849), as clients of the Identity API's OS-OAUTH1 send them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from cumulet.kernel.errors import BadRequest, Unauthorized

_PAIR = re.compile(r'\s*([A-Za-z0-9_.~%-]+)="([^"]*)"\s*(?:,|$)')
_MAX_AGE_S = 600
_PLAINTEXT = "PLAINTEXT"
_DIGESTS = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256, "HMAC-SHA512": hashlib.sha512}


@dataclass(frozen=True)
class SignedRequest:
    """One request with its `oauth_*` parameters; `url` without a query, `parameters` those of query and form."""

    method: str
    url: str
    oauth: dict[str, str]
    parameters: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, name: str) -> str:
        """A parameter that has to be there. Raises BadRequest naming it."""
        value = self.oauth.get(name)
        if not value:
            raise BadRequest(
                f"Expecting to find {name} in request. The server could not comply with the request since it is "
                "either malformed or otherwise incorrect. The client is assumed to be in error."
            )
        return value

    def verify(self, consumer_secret: str, token_secret: str, now_s: float) -> None:
        """Raises BadRequest for parameters that are no use, Unauthorized for a wrong signature."""
        if self["oauth_signature_method"] not in (_PLAINTEXT, *_DIGESTS):
            known = ", ".join((*_DIGESTS, _PLAINTEXT))
            raise BadRequest(f"Invalid oauth_signature_method: it is not one of {known}.")
        if self.oauth.get("oauth_version", "1.0") != "1.0":
            raise BadRequest("Invalid oauth_version: only 1.0 is supported.")
        nonce, stamp = self["oauth_nonce"], self["oauth_timestamp"]
        if not (stamp.isascii() and stamp.isdecimal() and len(stamp) < 13) or abs(now_s - int(stamp)) > _MAX_AGE_S:
            raise BadRequest(f"Invalid oauth_timestamp: it is more than {_MAX_AGE_S} seconds off.")
        if len(nonce) > 255:
            raise BadRequest("Invalid oauth_nonce: it is too long.")
        if not hmac.compare_digest(self["oauth_signature"].encode(), self.signature(consumer_secret, token_secret)):
            raise Unauthorized("The request you have made requires authentication.")

    def signature(self, consumer_secret: str, token_secret: str) -> bytes:
        """What the signature has to be: the secrets (RFC 5849, section 3.4.4), or a digest in base64 (3.4.2)."""
        key = f"{_encoded(consumer_secret)}&{_encoded(token_secret)}".encode()
        if self["oauth_signature_method"] == _PLAINTEXT:
            return key
        digest = _DIGESTS[self["oauth_signature_method"]]
        return base64.b64encode(hmac.digest(key, self._base_string().encode(), digest))

    def _base_string(self) -> str:
        signed = [(name, value) for name, value in self.oauth.items() if name not in ("oauth_signature", "realm")]
        pairs = sorted((_encoded(name), _encoded(value)) for name, value in (*signed, *self.parameters))
        normalised = "&".join(f"{name}={value}" for name, value in pairs)
        return "&".join(map(_encoded, (self.method.upper(), _base_url(self.url), normalised)))


def parse(method: str, url: str, authorization: str | None, parameters: Iterable[tuple[str, str]]) -> SignedRequest:
    """A request with an `Authorization: OAuth …` header. Raises BadRequest for any other."""
    scheme, _, rest = (authorization or "").strip().partition(" ")
    if scheme.lower() != "oauth":
        raise BadRequest("Expecting to find an OAuth 1.0a Authorization header with oauth_consumer_key in request.")
    oauth: dict[str, str] = {}
    at = 0
    while at < len(rest):
        match = _PAIR.match(rest, at)
        if match is None:
            raise BadRequest('The Authorization header is not made of OAuth\'s name="value" pairs.')
        name, at = unquote(match[1]), match.end()
        if name in oauth:
            raise BadRequest(f"The Authorization header has {name} twice.")
        oauth[name] = unquote(match[2])
    return SignedRequest(method, url, oauth, tuple(parameters))


def _encoded(text: str) -> str:
    return quote(text, safe="-._~")


def _base_url(url: str) -> str:
    """Scheme and host in lower case, without the scheme's own port (RFC 5849, section 3.4.1.2)."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if ":" in host:
        host = f"[{host}]"
    own = {"http": 80, "https": 443}.get(parts.scheme)
    if parts.port is not None and parts.port != own:
        host += f":{parts.port}"
    return f"{parts.scheme}://{host}{parts.path}"
