"""The limits that Identity has for projects ([DEFAULT] use_keystone_limits), asked with Image's own login."""

from __future__ import annotations

import functools
from typing import Any
from urllib.parse import urlencode

from oslo_config import cfg

from cumulet.kernel.client import Session, Unreachable
from cumulet.kernel.environment import Environment
from cumulet.kernel.errors import ServiceUnavailable


class Limits:
    """`options` is the section [oslo_limit], which says which service's limits are meant."""

    def __init__(self, env: Environment, options: Any) -> None:
        self._env = env
        self._options = options

    @classmethod
    def build(cls, env: Environment, conf: cfg.ConfigOpts) -> Limits | None:
        return cls(env, conf.oslo_limit) if conf.use_keystone_limits else None

    @functools.cached_property
    def _session(self) -> Session:
        return self._env.service_session("glance")

    @functools.cached_property
    def _service_id(self) -> str:
        """Raises LookupError."""
        options = self._options
        if options.endpoint_id:
            return str(self._ask(f"/endpoints/{options.endpoint_id}")["endpoint"]["service_id"])
        query = {"type": options.endpoint_service_type, "name": options.endpoint_service_name}
        return str(
            self._ask("/services", **{name: value for name, value in query.items() if value})["services"][0]["id"]
        )

    def _ask(self, path: str, **query: str) -> Any:
        answer = self._session.request("GET", "identity", f"{path}?{urlencode(query)}")
        if answer.status != 200:
            raise ServiceUnavailable(f"Identity does not tell the limits: it answered {answer.status}.")
        return answer.json()

    def of(self, project_id: str) -> dict[str, int]:
        """The project's limits by name: its own, else the registered ones. Raises ServiceUnavailable."""
        region = {"region_id": self._options.endpoint_region_name} if self._options.endpoint_region_name else {}
        try:
            registered = self._ask("/registered_limits", service_id=self._service_id, **region)["registered_limits"]
            own = self._ask("/limits", service_id=self._service_id, project_id=project_id, **region)["limits"]
        except (Unreachable, LookupError) as error:
            raise ServiceUnavailable("The limits of the project cannot be had from Identity.") from error
        known = {one["resource_name"]: int(one["default_limit"]) for one in registered}
        known.update({one["resource_name"]: int(one["resource_limit"]) for one in own})
        return known
