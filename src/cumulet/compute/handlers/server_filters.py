"""The query string of server lists, as conditions and an order (Compute API, List Servers)."""

from __future__ import annotations

import re
from typing import Any, Final

import sqlalchemy as sa

from cumulet.compute.domain import server_states
from cumulet.compute.service import Compute
from cumulet.compute.tables import server_tags, servers
from cumulet.kernel import clock
from cumulet.kernel.errors import BadRequest, Forbidden
from cumulet.kernel.http import Call

Conditions = list[sa.ColumnElement[bool]]

_SORT_COLUMNS: Final = (
    *("access_ip_v4", "access_ip_v6", "auto_disk_config", "availability_zone", "config_drive", "created_at", "host"),
    *("hostname", "key_name", "launch_index", "launched_at", "locked", "locked_by", "node", "power_state", "progress"),
    *("project_id", "root_device_name", "task_state", "terminated_at", "updated_at", "user_id", "vm_state"),
)
_SORT: Final = {
    "uuid": "id",
    "display_name": "name",
    "display_description": "description",
    "instance_type_id": "flavor_id",
    "image_ref": "image_id",
    **{key: key for key in _SORT_COLUMNS},
}
_IGNORED_SORT: Final = ("architecture", "cell_name", "ephemeral_gb", "kernel_id", "memory_mb", "os_type", "ramdisk_id")
_EVERYBODYS: Final = {"reservation_id": "reservation_id", "image": "image_id", "flavor": "flavor_id"}
_OPERATORS: Final = {
    "host": "host",
    "node": "node",
    "project_id": "project_id",
    "tenant_id": "project_id",
    "uuid": "id",
    "hostname": "hostname",
    "root_device_name": "root_device_name",
    "launch_index": "launch_index",
}
_SINCE_2_83: Final = {
    "availability_zone": "availability_zone",
    "key_name": "key_name",
    "power_state": "power_state",
    "task_state": "task_state",
    "vm_state": "vm_state",
    "progress": "progress",
    "user_id": "user_id",
}
_TAGS: Final = ("tags", "tags-any", "not-tags", "not-tags-any")
_TRUE: Final = ("1", "t", "true", "on", "y", "yes")
_FALSE: Final = ("0", "f", "false", "off", "n", "no")
_KNOWN: Final = {
    *_EVERYBODYS,
    *_OPERATORS,
    *_SINCE_2_83,
    *_TAGS,
    *("all_tenants", "changes-before", "changes-since", "config_drive", "created_at", "deleted", "description"),
    *("display_description", "display_name", "ip", "ip6", "is_public", "kernel_id", "launched_at", "limit", "locked"),
    *("marker", "name", "not-tags", "ramdisk_id", "soft_deleted", "sort_dir", "sort_key", "status", "terminated_at"),
    *("access_ip_v4", "access_ip_v6", "auto_disk_config", "locked_by"),
}


class Query:
    """One list request's conditions. Raises BadRequest and Forbidden while it reads them."""

    def __init__(self, call: Call[Compute], *, detail: bool) -> None:
        self._call = call
        self._detail = detail
        self._given = call.query()
        if call.version >= (2, 75):
            unknown = sorted(set(self._given) - _KNOWN)
            if unknown:
                does = "does" if len(unknown) == 1 else "do"
                raise BadRequest(f"{', '.join(map(repr, unknown))} {does} not match any of the regexes: '^_'")

    def last(self, key: str) -> str | None:
        values = self._given.get(key)
        return values[-1] if values else None

    def conditions(self) -> Conditions:
        admin = self._call.ctx.is_admin
        found = [*self._projects(), *self._deleted(), *self._states(), *self._times(), *self._texts()]
        columns = dict(_EVERYBODYS)
        if admin or self._call.version >= (2, 83):
            columns |= _SINCE_2_83
        if admin:
            columns |= _OPERATORS
        for key, column in columns.items():
            values = self._given.get(key)
            if values and not (key in ("project_id", "tenant_id") and not self._everybody()):
                found.append(self._equal(key, servers.c[column], values))
        if self._call.version >= (2, 26):
            found += [self._tagged(key) for key in _TAGS if self.last(key) is not None]
        if self._call.version >= (2, 73) and self.last("locked") is not None:
            found.append(servers.c.locked if self._flag("locked") else sa.not_(servers.c.locked))
        if (admin or self._call.version >= (2, 83)) and self.last("config_drive") is not None:
            wanted = self._is_set("config_drive")
            found.append(servers.c.config_drive if wanted else sa.not_(servers.c.config_drive))
        return found

    def _equal(self, key: str, column: sa.Column[Any], values: list[str]) -> sa.ColumnElement[bool]:
        if isinstance(column.type, sa.Integer):
            if not all(value.lstrip("-").isdigit() and len(value) < 10 for value in values):
                raise BadRequest(f"Invalid input for query parameters {key}. Value: {values[-1]}. It is not a number.")
            return column.in_([int(value) for value in values])
        return column.in_(values)

    def _flag(self, key: str) -> bool:
        """Nothing is true. Raises BadRequest for what is neither."""
        text = (self.last(key) or "").lower()
        if text in ("", *_TRUE):
            return True
        if text in _FALSE:
            return False
        known = ", ".join(repr(word) for word in sorted((*_FALSE, *_TRUE)))
        raise BadRequest(f"Unrecognized value '{self.last(key)}', acceptable values are: {known}")

    def _is_set(self, key: str) -> bool:
        """What is not true is false, as the original reads these."""
        return (self.last(key) or "").lower() in _TRUE

    def _everybody(self) -> bool:
        return "all_tenants" in self._given and self._flag("all_tenants")

    def _projects(self) -> Conditions:
        ctx = self._call.ctx
        if not self._everybody():
            return [servers.c.project_id == ctx.project_id]
        name = "detail" if self._detail else "index"
        self._call.service.policy.can(ctx, f"os_compute_api:servers:{name}:get_all_tenants")
        return []

    def _deleted(self) -> Conditions:
        """Deleted ones are shown to administrators who ask, and among changes to everybody."""
        if self._call.ctx.is_admin and self.last("deleted") is not None:
            return [servers.c.deleted] if self._is_set("deleted") else [sa.not_(servers.c.deleted)]
        if self.last("changes-since") is not None or self.last("changes-before") is not None:
            return []
        if any(status.upper() == "DELETED" for status in self._given.get("status", ())):
            if not self._call.ctx.is_admin:
                raise Forbidden("Only administrators may list deleted instances")
            return [servers.c.deleted]
        if self._call.ctx.is_admin and self._is_set("soft_deleted"):
            return [servers.c.vm_state == "soft-delete"]
        return [sa.not_(servers.c.deleted), servers.c.vm_state != "soft-delete"]

    def _states(self) -> Conditions:
        wanted = self._given.get("status")
        if not wanted:
            return []
        choices: list[sa.ColumnElement[bool]] = []
        for status in wanted:
            for vm_state, tasks in server_states.states_of(status):
                state = servers.c.vm_state == vm_state
                apart = server_states.tasks_shown_apart(vm_state)
                if tasks is not None:
                    state = sa.and_(state, servers.c.task_state.in_(tasks))
                elif apart:
                    other = sa.or_(servers.c.task_state.is_(None), servers.c.task_state.not_in(apart))
                    state = sa.and_(state, other)
                choices.append(state)
        if not choices and self._call.version >= (2, 38):
            raise BadRequest("Invalid status value")
        return [sa.or_(sa.false(), *choices)]

    def _moment(self, key: str) -> int | None:
        text = self.last(key)
        if text is None:
            return None
        try:
            return clock.parse(text)
        except ValueError:
            raise BadRequest(
                f"Invalid input for query parameters {key}. Value: {text}. '{text}' is not a 'date-time'"
            ) from None

    def _times(self) -> Conditions:
        since = self._moment("changes-since")
        before = self._moment("changes-before") if self._call.version >= (2, 66) else None
        if since is not None and before is not None and since > before:
            raise BadRequest("The value of changes-since must be less than or equal to changes-before.")
        found: Conditions = []
        if since is not None:
            found.append(servers.c.updated_at >= since)
        if before is not None:
            found.append(servers.c.updated_at <= before)
        return found

    def _texts(self) -> Conditions:
        found: Conditions = []
        for key in ("name", "display_name"):
            text = self.last(key)
            if text:
                found.append(servers.c.name.regexp_match(_pattern(key, text)))
        for key in ("ip", "ip6") if self._call.version >= (2, 5) or self._call.ctx.is_admin else ("ip",):
            text = self.last(key)
            if text:
                anchored, rest = text.startswith("^"), text.removeprefix("^").removesuffix("$")
                end = '"' if text.endswith("$") else ""
                start = "" if anchored else '[^"]*'
                pattern = '"address":"' + start + _pattern(key, rest) + end
                found.append(servers.c.addresses.regexp_match(pattern))
        return found

    def _tagged(self, key: str) -> sa.ColumnElement[bool]:
        if not self.last(key):
            raise BadRequest(f"Invalid input for query parameters {key}. Value: . '' is not a 'regex'")
        tags = sorted({tag for text in self._given[key] for tag in text.split(",")})
        count = (
            sa.select(sa.func.count())
            .select_from(server_tags)
            .where(server_tags.c.server_id == servers.c.id, server_tags.c.tag.in_(tags))
            .scalar_subquery()
        )
        if key == "tags":
            return count == len(tags)
        if key == "tags-any":
            return count > 0
        return count < len(tags) if key == "not-tags" else count == 0

    def sort(self) -> list[tuple[str, bool]]:
        """(column, descending), always with the id at the end so that pages have one order."""
        keys = self._given.get("sort_key") or []
        directions = self._given.get("sort_dir") or []
        for direction in directions:
            if direction not in ("asc", "desc"):
                raise BadRequest("Invalid input received: Unknown sort direction, must be 'desc' or 'asc'")
        if len(directions) > len(keys) and keys:
            raise BadRequest("Sort direction array size exceeds sort key array size.")
        found: list[tuple[str, bool]] = []
        for index, key in enumerate(keys):
            if key in _IGNORED_SORT:
                continue
            if key not in _SORT:
                raise BadRequest(f"Invalid input for query parameters sort_key. Value: {key}.")
            if key in ("host", "node") and not self._call.ctx.is_admin:
                raise Forbidden(f"Only administrators can sort servers by {key}")
            direction = directions[index] if index < len(directions) else (directions or ["desc"])[0]
            found.append((_SORT[key], direction == "desc"))
        default = (directions or ["desc"])[0] == "desc"
        for name in ("created_at", "id"):
            if name not in [column for column, _ in found]:
                found.append((name, default))
        return found


def _pattern(key: str, text: str) -> str:
    """A regular expression of the client's. Raises BadRequest when it is none or too long to be one."""
    try:
        if len(text) > 255:
            raise ValueError
        re.compile(text)
    except (re.error, ValueError):
        raise BadRequest(
            f"Invalid input for query parameters {key}. Value: {text[:255]}. '{text[:255]}' is not a 'regex'"
        ) from None
    return text
