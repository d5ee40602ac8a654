"""What a token says by itself, in as few bytes as a Fernet token of at most 255 characters has room for."""

from __future__ import annotations

import base64
import struct

import msgspec

_METHODS = (
    "password",
    "token",
    "external",
    "oauth1",
    "mapped",
    "application_credential",
    "totp",
    "ec2credential",
    "oauth2_credential",
)
"""Each method's bit. Only ever appended to: tokens that are out there must keep their meaning."""
_BITS = {name: 1 << position for position, name in enumerate(_METHODS)}

_TOKEN, _RECEIPT = 1, 2
_SYSTEM, _PROJECT, _DOMAIN, _TRUST, _APPLICATION_CREDENTIAL, _CHAINED, _ACCESS_TOKEN = 1, 2, 4, 8, 16, 32, 64
_HEAD = struct.Struct(">BBHQQ")  # kind, flags, methods, issued at, expires at (µs)
_HEX = frozenset("0123456789abcdef")


class MalformedPayload(Exception):
    """These bytes are not what we ever sealed."""


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """A token's own facts. Times are µs since 1970; at most one scope is set, a trust comes with its project."""

    user_id: str
    methods: tuple[str, ...]
    issued_at: int
    expires_at: int
    audit_id: str  # 22 characters of URL-safe base64
    parent_audit_id: str | None = None  # the audit id of the token this one's chain began with
    system: bool = False
    project_id: str | None = None
    domain_id: str | None = None
    trust_id: str | None = None
    application_credential_id: str | None = None
    access_token_id: str | None = None  # of OAuth 1

    @property
    def audit_ids(self) -> list[str]:
        return [self.audit_id, self.parent_audit_id] if self.parent_audit_id else [self.audit_id]

    @property
    def chain(self) -> str:
        """What all tokens that came out of one login have in common."""
        return self.parent_audit_id or self.audit_id


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a multi-factor login that was passed. Times are µs since 1970."""

    user_id: str
    methods: tuple[str, ...]
    issued_at: int
    expires_at: int


def pack(payload: Payload) -> bytes:
    flags = (
        (_SYSTEM if payload.system else 0)
        | (_PROJECT if payload.project_id is not None else 0)
        | (_DOMAIN if payload.domain_id is not None else 0)
        | (_TRUST if payload.trust_id is not None else 0)
        | (_APPLICATION_CREDENTIAL if payload.application_credential_id is not None else 0)
        | (_CHAINED if payload.parent_audit_id is not None else 0)
        | (_ACCESS_TOKEN if payload.access_token_id is not None else 0)
    )
    parts = [
        _HEAD.pack(_TOKEN, flags, _method_bits(payload.methods), payload.issued_at, payload.expires_at),
        _audit_bytes(payload.audit_id),
        _audit_bytes(payload.parent_audit_id) if payload.parent_audit_id is not None else b"",
        _id_bytes(payload.user_id),
    ]
    for identifier in (
        payload.project_id,
        payload.domain_id,
        payload.trust_id,
        payload.application_credential_id,
        payload.access_token_id,
    ):
        if identifier is not None:
            parts.append(_id_bytes(identifier))
    return b"".join(parts)


def unpack(data: bytes) -> Payload:
    """Raises MalformedPayload."""
    reader = _Reader(data)
    flags, methods, issued_at, expires_at = reader.head(_TOKEN)
    audit_id = reader.audit_id()
    parent = reader.audit_id() if flags & _CHAINED else None
    return Payload(
        user_id=reader.identifier(),
        methods=methods,
        issued_at=issued_at,
        expires_at=expires_at,
        audit_id=audit_id,
        parent_audit_id=parent,
        system=bool(flags & _SYSTEM),
        project_id=reader.identifier() if flags & _PROJECT else None,
        domain_id=reader.identifier() if flags & _DOMAIN else None,
        trust_id=reader.identifier() if flags & _TRUST else None,
        application_credential_id=reader.identifier() if flags & _APPLICATION_CREDENTIAL else None,
        access_token_id=reader.identifier() if flags & _ACCESS_TOKEN else None,
    )


def pack_receipt(receipt: Receipt) -> bytes:
    head = _HEAD.pack(_RECEIPT, 0, _method_bits(receipt.methods), receipt.issued_at, receipt.expires_at)
    return head + _id_bytes(receipt.user_id)


def unpack_receipt(data: bytes) -> Receipt:
    """Raises MalformedPayload, also for a token: neither may stand for the other."""
    reader = _Reader(data)
    _, methods, issued_at, expires_at = reader.head(_RECEIPT)
    return Receipt(user_id=reader.identifier(), methods=methods, issued_at=issued_at, expires_at=expires_at)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise MalformedPayload("the payload ends too early")
        self._at += count
        return taken

    def head(self, kind: int) -> tuple[int, tuple[str, ...], int, int]:
        found, flags, bits, issued_at, expires_at = _HEAD.unpack(self._take(_HEAD.size))
        if found != kind:
            raise MalformedPayload("this is a payload of another kind")
        return flags, tuple(name for name, bit in _BITS.items() if bits & bit), issued_at, expires_at

    def audit_id(self) -> str:
        return base64.urlsafe_b64encode(self._take(16))[:22].decode("ascii")

    def identifier(self) -> str:
        length = self._take(1)[0]
        if length == 0:
            return self._take(16).hex()
        return self._take(length).decode("utf-8")


def _method_bits(methods: tuple[str, ...]) -> int:
    bits = 0
    for method in methods:
        bits |= _BITS[method]
    return bits


def _audit_bytes(audit_id: str) -> bytes:
    return base64.urlsafe_b64decode(audit_id + "==")


def _id_bytes(identifier: str) -> bytes:
    """32 hexadecimal digits in 17 bytes, any other id as it is after its length."""
    if len(identifier) == 32 and _HEX.issuperset(identifier):
        return b"\0" + bytes.fromhex(identifier)
    raw = identifier.encode("utf-8")
    return bytes((len(raw),)) + raw
