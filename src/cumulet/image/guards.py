"""Asking the access rules about images: what a caller may not see is not there, what he may see is forbidden."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from cumulet.image.domain.records import SHOWN_NAMES, Seen, of_row
from cumulet.image.errors import image_not_found
from cumulet.image.service import ImageService
from cumulet.kernel.context import Context
from cumulet.kernel.errors import Forbidden

_OWNER, _VISIBILITY = SHOWN_NAMES.index("owner"), SHOWN_NAMES.index("visibility")
_CHEAP = {"project_id", "owner", "visibility", "member_id"}


class Guard:
    """The rules, asked for one caller."""

    def __init__(self, service: ImageService, ctx: Context) -> None:
        self._policy = service.policy
        self.ctx = ctx

    @cached_property
    def is_admin(self) -> bool:
        return self._policy.allows(self.ctx, "context_is_admin")

    def check(self, rule: str, seen: Seen) -> None:
        """Raises Forbidden, or NotFound when the caller may not even see the image."""
        target = seen.target()
        if self._policy.allows(self.ctx, rule, target):
            return
        if rule == "get_image" or not self._policy.allows(self.ctx, "get_image", target):
            raise image_not_found(seen.image.id)
        raise Forbidden(f"You are not authorized to complete {rule} action.")

    def allows(self, rule: str, seen: Seen) -> bool:
        return self._policy.allows(self.ctx, rule, seen.target())

    def check_new(self, owner: str | None, visibility: str, attributes: dict[str, Any]) -> None:
        """Whether an image like this may be made. Raises Forbidden."""
        target = {**attributes, "project_id": owner, "owner": owner, "visibility": visibility}
        if not self._policy.allows(self.ctx, "add_image", target):
            if owner != self.ctx.project_id:
                raise Forbidden(f"You are not permitted to create images owned by '{owner}'")
            raise Forbidden("You are not authorized to complete add_image action.")
        self.check_visibility(visibility, target)

    def check_visibility(self, visibility: str, target: dict[str, Any]) -> None:
        rule = {"public": "publicize_image", "community": "communitize_image"}.get(visibility)
        if rule is not None:
            self._policy.can(self.ctx, rule, target)

    def visible_rows(self, rows: Iterable[Any]) -> list[Any]:
        """The rows of a list that `get_image` allows, decided once for all rows that look the same to the rule."""
        attributes = self._policy.attributes("get_image")
        if attributes is None or not attributes <= _CHEAP:
            return [row for row in rows if self._policy.allows(self.ctx, "get_image", self._row_target(row))]
        verdicts: dict[tuple[Any, ...], bool] = {}
        allowed: list[Any] = []
        for row in rows:
            look = (row[_OWNER], row[_VISIBILITY])
            verdict = verdicts.get(look)
            if verdict is None:
                target = {"owner": look[0], "project_id": look[0], "visibility": look[1]}
                target["member_id"] = self._membership(look[0], look[1])
                verdict = verdicts[look] = self._policy.allows(self.ctx, "get_image", target)
            if verdict:
                allowed.append(row)
        return allowed

    def _row_target(self, row: Any) -> dict[str, Any]:
        image = of_row((*row, None))
        return Seen(image, self._membership(image.owner, image.visibility)).target()

    def _membership(self, owner: str | None, visibility: str) -> str | None:
        """A list holds other projects' shared images only where the caller's project is a member of them."""
        shared = visibility == "shared" and owner != self.ctx.project_id and not self.is_admin
        return self.ctx.project_id if shared else None
