"""Where a new volume goes: filters and weighers over what the back ends report."""
