"""Anti-spoofing and security groups with nftables.

Two tables. `antispoof` (bridge family) sees frames: it drops what a port must not send and marks the rest with the
port's number. `tables` (inet family, called for bridged packets by br_netfilter) sees the mark and decides statefully.
The bridge family itself has no connection tracking on the kernels we must run on.
"""
