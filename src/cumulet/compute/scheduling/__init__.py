"""Choosing a host for a server: Placement's candidates, filters and weighers under the original's names."""
