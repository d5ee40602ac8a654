"""Backups in a directory: blocks of 1 MiB, full or those that changed, every byte under a checksum."""
