"""The agent of one host: one process that plays its bridge, DHCP, L3, metadata and compute agent."""
