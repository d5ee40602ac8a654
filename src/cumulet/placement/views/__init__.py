"""How Placement's answers look."""
