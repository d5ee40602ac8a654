"""Bodies and queries of `/v3/projects` (Identity API v3, Projects)."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from cumulet.identity.schemas.fields import Description, ResourceId, ShortName
from cumulet.identity.schemas.flags import Flag, FlagText

Tag = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^,/\x00]*$")]
Tags = Annotated[list[Tag], Meta(max_length=80)]


class ProjectOptions(Struct, forbid_unknown_fields=True):
    """None takes an option away."""

    immutable: bool | UnsetType | None = UNSET


class ProjectChanges(Struct, kw_only=True):
    """What a client may say of a project; other keys are kept in `extra` and given back, as the original does."""

    id: str | UnsetType = UNSET
    name: ShortName | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    domain_id: ResourceId | UnsetType | None = UNSET
    parent_id: ResourceId | UnsetType | None = UNSET
    enabled: Flag | UnsetType = UNSET
    is_domain: Flag | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    options: ProjectOptions | UnsetType = UNSET
    extra: Any = UNSET  # what the original calls its own bag of other keys; a client's is not kept


class NewProject(ProjectChanges, kw_only=True):
    name: ShortName


class NewProjectBody(Struct, forbid_unknown_fields=True):
    project: NewProject


class ProjectChangesBody(Struct, forbid_unknown_fields=True):
    project: ProjectChanges


class ProjectQuery(Struct):
    domain_id: ResourceId | None = None
    parent_id: ResourceId | None = None
    name: ShortName | None = None
    enabled: FlagText | None = None
    is_domain: FlagText | None = None
    tags: str | None = None
    tags_any: str | None = field(name="tags-any", default=None)
    not_tags: str | None = field(name="not-tags", default=None)
    not_tags_any: str | None = field(name="not-tags-any", default=None)


class TagsBody(Struct, forbid_unknown_fields=True):
    tags: Tags


class SelfLink(Struct):
    self_: str = field(name="self")


class ProjectView(Struct):
    """A project as the API shows it, but for the keys a client had added."""

    id: str
    name: str
    domain_id: str | None
    description: str | None
    enabled: bool
    parent_id: str | None
    is_domain: bool
    tags: list[str]
    options: Raw
    links: SelfLink


class DomainView(Struct):
    """A domain as the API shows it, but for the keys a client had added."""

    id: str
    name: str
    description: str | None
    enabled: bool
    tags: list[str]
    options: Raw
    links: SelfLink
