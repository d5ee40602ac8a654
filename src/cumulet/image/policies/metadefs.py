"""Who may read and write metadata definitions: everybody reads what is public, administrators write."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.image.policies import base
from cumulet.image.policies.base import rule
from cumulet.kernel.policy import Rule

_ADMIN = "rule:metadef_admin"
_READ = (
    "get_metadef_namespace",
    "get_metadef_object",
    "get_metadef_objects",
    "list_metadef_resource_types",
    "get_metadef_resource_type",
    "get_metadef_property",
    "get_metadef_properties",
    "get_metadef_tag",
    "get_metadef_tags",
)
_WRITE = (
    "add_metadef_namespace",
    "modify_metadef_namespace",
    "delete_metadef_namespace",
    "add_metadef_object",
    "modify_metadef_object",
    "delete_metadef_object",
    "add_metadef_resource_type_association",
    "remove_metadef_resource_type_association",
    "add_metadef_property",
    "modify_metadef_property",
    "remove_metadef_property",
    "add_metadef_tag",
    "add_metadef_tags",
    "modify_metadef_tag",
    "delete_metadef_tag",
    "delete_metadef_tags",
)

RULES: tuple[Rule, ...] = (
    RuleDefault("metadef_default", ""),
    RuleDefault("metadef_admin", base.ADMIN),
    rule("get_metadef_namespaces", base.ADMIN_OR_READER),
    *(rule(name, base.ADMIN_OR_NAMESPACE_READER) for name in _READ),
    *(rule(name, _ADMIN) for name in _WRITE),
)
