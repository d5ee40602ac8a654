"""The names of resource classes and traits: the standard ones are the field's, custom ones start with `CUSTOM_`."""

from __future__ import annotations

import os_resource_classes
import os_traits

CUSTOM = "CUSTOM_"
STANDARD_CLASSES: dict[str, int] = {name: place for place, name in enumerate(os_resource_classes.STANDARDS)}
"""Each standard class with its place in the library's order, which lists keep."""

STANDARD_TRAITS: frozenset[str] = frozenset(os_traits.get_traits())
SHARES_VIA_AGGREGATE: str = os_traits.MISC_SHARES_VIA_AGGREGATE


def is_custom(name: str) -> bool:
    return name.startswith(CUSTOM)


def standard_first(name: str) -> tuple[int, str]:
    """Sorts resource classes: the standard ones in the library's order, then the custom ones by name."""
    return STANDARD_CLASSES.get(name, len(STANDARD_CLASSES)), name
