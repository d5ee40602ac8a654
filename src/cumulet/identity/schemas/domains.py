"""Bodies and queries of `/v3/domains` (Identity API v3, Domains)."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from cumulet.identity.schemas.fields import ShortDescription, ShortName
from cumulet.identity.schemas.flags import Flag, FlagText
from cumulet.identity.schemas.projects import ProjectOptions, Tags

DomainId = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$")]
"""What an operator may choose as a domain's id: a UUID, so that it is the same in every region."""


class DomainChanges(Struct, kw_only=True):
    """What a client may say of a domain; other keys are kept in `extra` and given back, as the original does.

    What makes a project a domain is not a client's to say, and read over.
    """

    id: Any = UNSET
    name: ShortName | UnsetType = UNSET
    description: ShortDescription | UnsetType | None = UNSET
    enabled: Flag | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    options: ProjectOptions | UnsetType = UNSET
    domain_id: Any = UNSET
    parent_id: Any = UNSET
    is_domain: Any = UNSET
    extra: Any = UNSET


class NewDomain(DomainChanges, kw_only=True):
    name: ShortName
    explicit_domain_id: DomainId | UnsetType = UNSET


class NewDomainBody(Struct, forbid_unknown_fields=True):
    domain: NewDomain


class DomainChangesBody(Struct, forbid_unknown_fields=True):
    domain: DomainChanges


class DomainQuery(Struct):
    name: ShortName | None = None
    enabled: FlagText | None = None
