"""What a token's body says: its own facts, and everything around them as it is now.

Describing a token is also the check that it may be: whoever it speaks of must exist and be enabled, and a scope must
have left a role.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cumulet.identity.domain import application_credentials, oauth1_tokens, role_references, trusts
from cumulet.identity.domain.implications import RoleRef
from cumulet.identity.domain.revocations import TokenFacts
from cumulet.identity.domain.token_parts import Person, Place, Reader
from cumulet.identity.errors import unauthorized
from cumulet.identity.tokens.memory import TokenRecord
from cumulet.identity.tokens.payload import Payload
from cumulet.kernel.auth import context_of
from cumulet.kernel.clock import iso_micro
from cumulet.kernel.errors import Forbidden

_encode = msgspec.json.Encoder().encode
Document = dict[str, Any]


class _Draft:
    """A document on its way: what each part of the payload adds to it."""

    def __init__(self, payload: Payload, person: Person) -> None:
        self.person = person  # whose token it is
        self.speaks_for = person  # the trustor where a trust impersonates
        self.ends_at = payload.expires_at
        self.project_id: str | None = None
        self.has_catalog = False
        self.restricted_access = False
        self.facts: dict[str, list[str]] = {
            "user_id": [person.id],
            "domain_id": [person.domain.id],
            "audit_id": [payload.audit_id],
            "audit_chain_id": [payload.chain],
        }
        self.document: Document = {
            "methods": list(payload.methods),
            "user": _user_document(person),
            "audit_ids": payload.audit_ids,
            "expires_at": iso_micro(payload.expires_at),
            "issued_at": iso_micro(payload.issued_at),
        }

    def on_project(self, place: Place) -> None:
        self.project_id = place.id
        self.has_catalog = True
        self.document["project"] = {"domain": place.domain.document, "id": place.id, "name": place.name}
        self.facts["project_id"] = [place.id]
        self.facts["domain_id"].append(place.domain.id)

    def with_roles(self, roles: list[RoleRef]) -> None:
        """Raises Unauthorized without any: such a scope is none."""
        if not roles:
            raise unauthorized()
        self.has_catalog = True
        self.document["roles"] = [{"id": role.id, "name": role.name} for role in roles]
        self.facts["role_id"] = [role.id for role in roles]

    def ends_by(self, at: int | None) -> None:
        if at is not None:
            self.ends_at = min(self.ends_at, at)


def describe(reader: Reader, token: str | None, payload: Payload) -> TokenRecord:
    """Raises Unauthorized, Forbidden or NotFound when there can be no such token now (`token` is its text)."""
    person = reader.person(payload.user_id)
    if person is None or not person.may_act:
        raise unauthorized()
    draft = _Draft(payload, person)
    if payload.trust_id is not None:
        _by_trust(reader, draft, payload.trust_id)
    elif payload.application_credential_id is not None:
        _by_application_credential(reader, draft, payload.application_credential_id, payload.project_id)
    elif payload.access_token_id is not None:
        _by_access_token(reader, draft, payload.access_token_id, payload.project_id)
    elif payload.project_id is not None:
        draft.on_project(_open_place(reader, payload.project_id))
        draft.document["is_domain"] = False
        draft.with_roles(reader.roles(person.id, project_id=payload.project_id))
    elif payload.domain_id is not None:
        _on_domain(reader, draft, payload.domain_id)
    elif payload.system:
        draft.document["system"] = {"all": True}
        draft.with_roles(reader.roles(person.id, system=True))
    return _record(reader, token, payload, draft)


def _record(reader: Reader, token: str | None, payload: Payload, draft: _Draft) -> TokenRecord:
    inner = _encode(draft.document)
    plain = full = b'{"token":' + inner + b"}"
    if draft.has_catalog:
        _, catalog_json = reader.catalog(draft.project_id, draft.speaks_for.id)
        full = b'{"token":' + inner[:-1] + b',"catalog":' + catalog_json + b"}}"
    return TokenRecord(
        payload=payload,
        generation=reader.generation,
        document=draft.document,
        plain=plain,
        full=full,
        caller=context_of(token or "", draft.document),
        facts=TokenFacts(payload.issued_at, draft.facts),
        subject_id=draft.speaks_for.id,
        restricted_access=draft.restricted_access,
        ends_at=draft.ends_at,
    )


def _user_document(person: Person) -> Document:
    expires_at = person.password_expires_at
    return {
        "domain": person.domain.document,
        "id": person.id,
        "name": person.name,
        "password_expires_at": None if expires_at is None else iso_micro(expires_at),
    }


def _open_place(reader: Reader, project_id: str) -> Place:
    place = reader.place(project_id)
    if place is None or not place.is_open:
        raise unauthorized()
    return place


def _on_domain(reader: Reader, draft: _Draft, domain_id: str) -> None:
    domain = reader.domain(domain_id)
    if domain is None or not domain.enabled:
        raise unauthorized()
    draft.document["domain"] = domain.document
    draft.facts["domain_id"].append(domain.id)
    draft.with_roles(reader.roles(draft.person.id, domain_id=domain.id))


def _by_trust(reader: Reader, draft: _Draft, trust_id: str) -> None:
    """The trustor's roles that were handed on, as long as the trustor still has every one of them."""
    trust = trusts.usable(reader, trust_id)
    if trust.trustee_user_id != draft.person.id:
        raise Forbidden("You are not authorized to perform the requested action.")
    trustor = reader.person(trust.trustor_user_id)
    if trustor is None or not trustor.may_act or trust.project_id is None:
        raise Forbidden("You are not authorized to perform the requested action.")
    if trust.impersonation:
        draft.speaks_for = trustor
        draft.document["user"] = _user_document(trustor)
    draft.document["OS-TRUST:trust"] = {
        "id": trust.id,
        "trustor_user": {"id": trust.trustor_user_id},
        "trustee_user": {"id": trust.trustee_user_id},
        "impersonation": trust.impersonation,
    }
    draft.facts["user_id"] = [draft.person.id, trustor.id]
    draft.facts["domain_id"].append(trustor.domain.id)
    draft.facts["trust_id"] = trust.line
    draft.ends_by(trust.expires_at)
    draft.on_project(_open_place(reader, trust.project_id))
    draft.with_roles(trusts.handed_on(reader, trust))


def _by_application_credential(reader: Reader, draft: _Draft, credential_id: str, project_id: str | None) -> None:
    """The credential's roles that its user still has."""
    credential = application_credentials.usable(reader, credential_id)
    if credential.user_id != draft.person.id or credential.project_id is None or credential.project_id != project_id:
        raise unauthorized()
    draft.on_project(_open_place(reader, credential.project_id))
    draft.document["is_domain"] = False
    still = {role.id: role for role in reader.roles(draft.person.id, project_id=credential.project_id)}
    draft.with_roles([still[role_id] for role_id in credential.role_ids if role_id in still])
    about: Document = {"id": credential.id, "name": credential.name, "restricted": not credential.unrestricted}
    if credential.access_rules is not None:
        about["access_rules"] = credential.access_rules
        draft.restricted_access = True
    draft.document["application_credential"] = about
    draft.ends_by(credential.expires_at)


def _by_access_token(reader: Reader, draft: _Draft, token_id: str, project_id: str | None) -> None:
    """The roles that the user let an OAuth 1 consumer have, and those they imply, as far as the user still has them."""
    access = reader.recall(("access token", token_id), lambda: oauth1_tokens.load(reader.connection, token_id))
    if access["authorizing_user_id"] != draft.person.id or access["project_id"] != project_id:
        raise unauthorized()
    draft.on_project(_open_place(reader, access["project_id"]))
    draft.document["is_domain"] = False
    granted = reader.recall(
        ("roles of access token", token_id), lambda: role_references.expanded(reader.connection, access["role_ids"])
    )
    held = {role.id for role in reader.roles(draft.person.id, project_id=project_id)}
    draft.with_roles([role for role in granted if role.id in held])
    draft.document["OS-OAUTH1"] = {"access_token_id": token_id, "consumer_id": access["consumer_id"]}
    draft.facts["access_token_id"] = [token_id]
    draft.facts["consumer_id"] = [access["consumer_id"]]
    draft.ends_by(access["expires_at"])
