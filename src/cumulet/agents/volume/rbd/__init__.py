"""Volumes as images of a Ceph pool (RADOS block devices)."""
