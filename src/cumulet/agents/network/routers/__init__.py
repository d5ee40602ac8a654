"""Routers in namespaces `qrouter-<router id>`: addresses, NAT, advertisements, high availability, metering."""
