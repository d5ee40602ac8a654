"""The volume agent: keeps volumes, snapshots and backups on one host's back ends."""
