"""nftables: a binding to libnftables, tables as values, and keeping a table in the kernel as wanted."""
