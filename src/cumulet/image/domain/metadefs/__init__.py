"""Metadata definitions: which properties resources may have, and what they mean."""
