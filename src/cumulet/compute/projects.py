"""Whether a project exists, asked of Identity: quotas and flavor access for projects there are not are refused."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from cumulet.kernel.client import Session, Unreachable
from cumulet.kernel.errors import BadRequest, ServiceUnavailable

_ABSENT: Final = (404,)


class Projects:
    """Asks Identity with the service's own login."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def require(self, project_id: str) -> None:
        """Raises BadRequest for a project there is not, ServiceUnavailable when Identity does not answer."""
        try:
            answer = self._session.request("GET", "identity", f"/projects/{quote(project_id, safe='')}")
        except (Unreachable, LookupError):
            raise ServiceUnavailable(
                "The Identity service does not answer, so the project cannot be checked."
            ) from None
        if answer.status in _ABSENT:
            raise BadRequest(f"Project ID {project_id} is not a valid project.")
