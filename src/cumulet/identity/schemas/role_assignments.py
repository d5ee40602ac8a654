"""The query of `/v3/role_assignments` (Identity API v3, Role assignments)."""

from __future__ import annotations

from msgspec import Struct, field


class RoleAssignmentQuery(Struct):
    """An empty value asks for nothing. `effective`, `include_names`, `include_subtree`: given and not 0 means yes."""

    user_id: str = field(name="user.id", default="")
    group_id: str = field(name="group.id", default="")
    role_id: str = field(name="role.id", default="")
    project_id: str = field(name="scope.project.id", default="")
    domain_id: str = field(name="scope.domain.id", default="")
    system: str = field(name="scope.system", default="")
    inherited_to: str | None = field(name="scope.OS-INHERIT:inherited_to", default=None)
    effective: str = "0"
    include_names: str = "0"
    include_subtree: str | None = None
