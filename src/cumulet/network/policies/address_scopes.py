"""Who may see and change address scopes."""

from __future__ import annotations

from cumulet.network.policies.base import SEES, crud

RULES = crud("address_scope", read=SEES, guarded=("shared",))
