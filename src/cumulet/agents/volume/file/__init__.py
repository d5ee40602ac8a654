"""The `file` back end: qcow2 or raw files in a directory of this host, or one that several share."""
