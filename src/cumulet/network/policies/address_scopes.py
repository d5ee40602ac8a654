"""Who may see and change address scopes."""

from __future__ import annotations

from cumulet.network.policies.base import READER, crud

RULES = crud("address_scope", read=f"{READER} or 'True':%(shared)s", guarded=("shared",))
