"""Signatures of AWS clients: EC2's version 2 and version 4, S3's HMAC-SHA1 and version 4.

Versions 0 and 1 of EC2's do not cover the whole request and are refused.
Source: AWS General Reference, "Signature Version 2/4 signing process"; Amazon S3 REST authentication.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

V4 = "AWS4-HMAC-SHA256"
_S3_SERVICES = frozenset(("s3", "iam", "sts"))


class BadSignature(Exception):
    """It is missing, malformed, or not what this secret makes of this request."""


def check_ec2(secret: str, request: Mapping[str, Any]) -> None:
    """`request` has `signature`, `host`, `verb`, `path`, `params`, `headers`, `body_hash`. Raises BadSignature.

    Some clients sign the host without its port, so that is tried too.
    """
    given = _text(request, "signature")
    host = _text(request, "host")
    hosts = [host]
    if ":" in host:
        hosts.append(urlsplit(f"//{host}").hostname or "")
    for candidate in hosts:
        if hmac.compare_digest(_ec2(secret, {**request, "host": candidate}).encode(), given.encode()):
            return
    raise BadSignature("the signature does not match")


def _ec2(secret: str, request: Mapping[str, Any]) -> str:
    params = {str(name): str(value) for name, value in _mapping(request, "params").items()}
    headers = {str(name).lower().strip(): str(value).strip() for name, value in _mapping(request, "headers").items()}
    if params.get("SignatureVersion") == "2":
        return _version_2(secret, _text(request, "verb"), _text(request, "host"), _text(request, "path"), params)
    if headers.get("authorization", "").startswith(V4) or params.get("X-Amz-Algorithm") == V4:
        if "host" in headers:
            headers["host"] = _text(request, "host") if ":" not in str(request["host"]) else headers["host"]
        return _version_4(
            secret, _text(request, "verb"), _text(request, "path"), params, headers, str(request.get("body_hash") or "")
        )
    raise BadSignature("the signature's version is not known")


def _version_2(secret: str, verb: str, host: str, path: str, params: Mapping[str, str]) -> str:
    query = canonical_query({**params, "SignatureMethod": "HmacSHA256"})
    signed = hmac.new(secret.encode(), f"{verb}\n{host}\n{path}\n{query}".encode(), hashlib.sha256)
    return base64.b64encode(signed.digest()).decode("ascii")


def _version_4(
    secret: str, verb: str, path: str, params: Mapping[str, str], headers: Mapping[str, str], body_hash: str
) -> str:
    def said(name: str) -> str:
        authorization = headers.get("authorization")
        if authorization is not None:
            return authorization.partition(f"{name}=")[2].split(",")[0].strip()
        return params.get(f"X-Amz-{name}", "")

    moment = headers.get("x-amz-date") or params.get("X-Amz-Date", "")
    scope = said("Credential").split("/")[1:]
    if len(scope) != 4 or not moment.startswith(scope[0]) or not scope[0]:
        raise BadSignature("the credential's scope and the request's date do not fit")
    signed_headers = said("SignedHeaders")
    lines = "".join(f"{name}:{headers[name]}\n" for name in signed_headers.split(";") if name in headers)
    # What a POST has as parameters went through its body, which has a hash of its own.
    query = (
        ""
        if verb.upper() == "POST"
        else canonical_query({name: value for name, value in params.items() if name != "X-Amz-Signature"})
    )
    canonical = "\n".join((verb.upper(), path, query, lines, signed_headers, body_hash))
    to_sign = "\n".join((V4, moment, "/".join(scope), hashlib.sha256(canonical.encode()).hexdigest()))
    return hmac.new(_v4_key(secret, scope), to_sign.encode(), hashlib.sha256).hexdigest()


def canonical_query(params: Mapping[str, str]) -> str:
    return "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(params.items()))


def _v4_key(secret: str, scope: list[str]) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in scope:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def check_s3(secret: str, request: Mapping[str, Any]) -> None:
    """`request` has `signature` and `token`, the base64 of the string that was signed. Raises BadSignature."""
    given = _text(request, "signature")
    try:
        to_sign = base64.urlsafe_b64decode(_text(request, "token"))
    except (binascii.Error, ValueError):
        raise BadSignature("the string to sign is not base64") from None
    wanted = _s3_version_4(secret, to_sign) if to_sign.startswith(b"AWS4") else _s3_version_1(secret, to_sign)
    if not hmac.compare_digest(wanted.encode(), given.encode()):
        raise BadSignature("the signature does not match")


def _s3_version_1(secret: str, to_sign: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), to_sign, hashlib.sha1).digest()).decode("ascii")


def _s3_version_4(secret: str, to_sign: bytes) -> str:
    parts = to_sign.split(b"\n")
    if len(parts) != 4 or parts[0] != V4.encode():
        raise BadSignature("the string to sign has not the form of version 4")
    scope = parts[2].decode("utf-8", "replace").split("/")
    if len(scope) != 4 or scope[3] != "aws4_request" or scope[2] not in _S3_SERVICES:
        raise BadSignature("the scope is not one of S3's")
    return hmac.new(_v4_key(secret, scope), to_sign, hashlib.sha256).hexdigest()


def _text(request: Mapping[str, Any], name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str) or not value:
        raise BadSignature(f"{name} is missing")
    return value


def _mapping(request: Mapping[str, Any], name: str) -> Mapping[Any, Any]:
    value = request.get(name) or {}
    if not isinstance(value, Mapping):
        raise BadSignature(f"{name} is not an object")
    return value


def moment_of(request: Mapping[str, Any]) -> str | None:
    """When the request says it was signed, as it says it."""
    params, headers = _mapping(request, "params"), _mapping(request, "headers")
    found = params.get("Timestamp") or headers.get("X-Amz-Date") or params.get("X-Amz-Date")
    return None if not found else str(found)
