"""Who may see and change networks, their segments and the ranges these come from."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.network.policies.base import ADMIN, ADMIN_OR_SERVICE, SEES, crud, rule

_PROVIDER = ("provider:network_type", "provider:physical_network", "provider:segmentation_id", "segments")
RULES: tuple[Rule, ...] = (
    *crud("network", read=SEES, guarded=("shared", "router:external", "is_default", *_PROVIDER)),
    *(rule(f"get_network:{name}", ADMIN_OR_SERVICE) for name in _PROVIDER),
    *crud("segment", read=ADMIN, write=ADMIN),
    *crud("network_segment_range", read=ADMIN, write=ADMIN),
)
