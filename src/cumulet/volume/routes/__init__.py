"""Volume's whole API at a glance: each module is a table of method, path and handler.

Paths are without the project's id: `paths.ProjectPaths` takes it out.
"""

from __future__ import annotations

from cumulet.volume.routes import attachments, backups, extras, groups, operators, snapshots, types, versions, volumes

ROUTES = (
    *versions.ROUTES,
    *volumes.ROUTES,
    *snapshots.ROUTES,
    *attachments.ROUTES,
    *types.ROUTES,
    *backups.ROUTES,
    *groups.ROUTES,
    *extras.ROUTES,
    *operators.ROUTES,
)
