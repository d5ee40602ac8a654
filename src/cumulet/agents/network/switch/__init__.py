"""Bridges, tunnels, ports' devices and namespaces on Linux, through netlink."""
