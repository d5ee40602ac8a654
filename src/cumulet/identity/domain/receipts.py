"""Multi-factor logins: a user's rules say which methods must be passed together.

Who has passed some of them gets a receipt and brings it along with the rest (Identity API v3, Multi-Factor
Authentication). A receipt ends with its short time, and like a token with the user's tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from cumulet.identity.domain.auth_methods import IMPLEMENTED, Passed
from cumulet.identity.domain.revocations import TokenFacts
from cumulet.identity.domain.token_parts import Person, Reader
from cumulet.identity.errors import unauthorized
from cumulet.identity.tokens.payload import Receipt
from cumulet.kernel.clock import iso_micro
from cumulet.kernel.errors import Unauthorized

_MICRO = 1_000_000


class MoreMethodsNeeded(Unauthorized):
    """The login goes on: `body` says what was passed and what the rules are, `receipt` stands for the former."""

    def __init__(self, receipt: str, body: dict[str, Any]) -> None:
        super().__init__("Additional authentications steps required.")
        self.receipt = receipt
        self.body = body


def complete(reader: Reader, login: Passed, receipt: str | None) -> Passed:
    """The login with what a receipt adds. Raises MoreMethodsNeeded, or Unauthorized for a bad receipt."""
    if receipt is not None:
        earlier = _accept(reader, login.user_id, receipt)
        added = tuple(method for method in earlier.methods if method not in login.methods)
        login = replace(login, methods=(*login.methods, *added))
    person = reader.person(login.user_id)
    if person is None or not person.may_act:
        raise unauthorized()
    rules = _rules(reader, person)
    if rules and not any(set(rule) <= set(login.methods) for rule in rules):
        raise _more(reader, person, login.methods, rules)
    return login


def _rules(reader: Reader, person: Person) -> list[list[str]]:
    """The rules that can be met: of each the methods this cloud has, and none without any, so nobody is locked out."""
    given = person.options.get("multi_factor_auth_rules") or []
    if not person.options.get("multi_factor_auth_enabled", True) or not isinstance(given, list):
        return []
    offered = set(supported(reader.identity.conf.auth.methods))
    rules = [[method for method in rule if method in offered] for rule in given if isinstance(rule, list)]
    return [rule for rule in rules if rule]


def supported(configured: Iterable[str]) -> list[str]:
    """The methods that are both configured and there."""
    return [method for method in configured if method in IMPLEMENTED]


def _more(reader: Reader, person: Person, methods: Sequence[str], rules: list[list[str]]) -> MoreMethodsNeeded:
    identity = reader.identity
    now = identity.now()
    receipt = Receipt(
        user_id=person.id,
        methods=tuple(methods),
        issued_at=now,
        expires_at=(now // _MICRO + identity.conf.receipt.expiration) * _MICRO,
    )
    body = {
        "receipt": {
            "methods": list(receipt.methods),
            "user": {"domain": person.domain.document, "id": person.id, "name": person.name},
            "expires_at": iso_micro(receipt.expires_at),
            "issued_at": iso_micro(receipt.issued_at),
        },
        "required_auth_methods": rules,
    }
    return MoreMethodsNeeded(identity.tokens.receipts.seal_receipt(receipt), body)


def _accept(reader: Reader, user_id: str, text: str) -> Receipt:
    identity = reader.identity
    receipt = identity.tokens.receipts.open_receipt(text)
    if receipt is None or receipt.user_id != user_id or identity.now() >= receipt.expires_at:
        raise unauthorized()
    revocations = identity.tokens.revocations
    revocations.catch_up(lambda: reader.connection, reader.generation)
    if revocations.is_revoked(TokenFacts(receipt.issued_at, {"user_id": [user_id]})):
        raise unauthorized()
    return receipt
