"""The metadata address 169.254.169.254 in routers' and DHCP servers' namespaces.

One unprivileged process (`proxy`) serves all namespaces of a host. The agent opens the listening sockets inside the
namespaces and hands them over (`control`); the proxy itself lives in the host's namespace, from where it reaches the
metadata service. It goes on serving while the agent is restarted.
"""
