"""Opened volumes as plain bytes: files and block devices, or a QEMU export of anything else."""
