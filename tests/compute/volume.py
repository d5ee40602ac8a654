"""Volume of a few lines, with the statuses the original goes through (Block Storage API, Volumes and Attachments)."""

from __future__ import annotations

import json
import threading
from typing import Any
from uuid import uuid4

import falcon

FREE = {"available", "downloading"}


class Volume:
    """`slow`: how often a volume is looked at before it is made; `refuse`: attachments are refused with this sentence;
    `orphaned`: what was deleted without a service's token."""

    def __init__(self) -> None:
        self.volumes: dict[str, dict[str, Any]] = {}
        self.attachments: dict[str, dict[str, Any]] = {}
        self.snapshots: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self.slow = 0
        self.refuse: str | None = None
        self.connectors: dict[str, dict[str, Any]] = {}
        self.completed: list[tuple[str, dict[str, Any]]] = []
        self.tokens: list[str] = []
        self.filled: list[tuple[str, str]] = []
        self.after_filling = "reserved"
        self.app = falcon.App()
        for path, suffix in (
            ("volumes", "volumes"),
            ("volumes/detail", "volumes"),
            ("volumes/{identifier}", "volume"),
            ("volumes/{identifier}/action", "action"),
            ("attachments", "attachments"),
            ("attachments/{identifier}", "attachment"),
            ("attachments/{identifier}/action", "completion"),
            ("snapshots", "snapshots"),
            ("snapshots/detail", "snapshots"),
            ("snapshots/{identifier}", "snapshot"),
            ("snapshots/{identifier}/action", "snapshot_action"),
            ("types", "types"),
        ):
            self.app.add_route(f"/v3/{{project}}/{path}", self, suffix=suffix)

    # -- volumes ---------------------------------------------------------------------------------------------------

    def add(self, size: int = 1, **values: Any) -> str:
        volume = {
            "id": str(uuid4()),
            "size": size,
            "name": None,
            "description": None,
            "status": "available",
            "bootable": "false",
            "multiattach": False,
            "migration_status": None,
            "metadata": {},
            "availability_zone": "nova",
            "created_at": "2026-01-01T00:00:00.000000",
            "volume_type": "simulated",
            "snapshot_id": None,
            **values,
        }
        self.volumes[volume["id"]] = volume
        return str(volume["id"])

    def status(self, volume_id: str) -> str:
        return str(self.volumes[volume_id]["status"])

    def of(self, volume_id: str) -> list[dict[str, Any]]:
        return [one for one in self.attachments.values() if one["volume_id"] == volume_id]

    def _view(self, volume: dict[str, Any]) -> dict[str, Any]:
        attached = [
            {"server_id": one["instance"], "device": one.get("device"), "attachment_id": one["id"]}
            for one in self.of(volume["id"])
            if one["status"] == "attached"
        ]
        return volume | {"attachments": attached}

    def on_get_volumes(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        wanted = json.loads(req.get_param("metadata") or "{}")
        found = [one for one in self.volumes.values() if wanted.items() <= one["metadata"].items()]
        offset, limit = int(req.get_param("offset") or 0), int(req.get_param("limit") or 1000)
        resp.media = {"volumes": [self._view(one) for one in found[offset : offset + limit]]}

    def on_post_volumes(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        given = req.media["volume"]
        if self.refuse is not None:
            resp.status, resp.media = 413, {"overLimit": {"code": 413, "message": self.refuse}}
            return
        self.tokens.append(req.get_header("X-Auth-Token") or "")
        extra = {"volume_image_metadata": {"min_ram": "64", "min_disk": "0"}} if given.get("imageRef") else {}
        values = {key: value for key, value in given.items() if key not in ("size", "imageRef")}
        made = self.add(given["size"], **{**values, **extra, "status": "creating" if self.slow else "available"})
        resp.status, resp.media = 202, {"volume": self._view(self.volumes[made])}

    def _load(self, volume_id: str) -> dict[str, Any]:
        if volume_id not in self.volumes:
            raise falcon.HTTPNotFound
        return self.volumes[volume_id]

    def on_get_volume(self, req: falcon.Request, resp: falcon.Response, project: str, identifier: str) -> None:
        volume = self._load(identifier)
        if volume["status"] in ("creating", "downloading"):
            self.slow -= 1
            if self.slow <= 0:
                volume["status"] = "available" if volume["status"] == "creating" else self.after_filling
        resp.media = {"volume": self._view(volume)}

    def on_delete_volume(self, req: falcon.Request, resp: falcon.Response, project: str, identifier: str) -> None:
        if self._load(identifier)["status"] not in ("available", "error"):
            resp.status, resp.media = 400, {"badRequest": {"code": 400, "message": "Invalid volume: in use."}}
            return
        del self.volumes[identifier]
        resp.status = 202

    def on_post_action(self, req: falcon.Request, resp: falcon.Response, project: str, identifier: str) -> None:
        volume = self._load(identifier)
        [(action, given)] = req.media.items()
        if action == "os-begin_detaching":
            if volume["status"] != "in-use":
                resp.status, resp.media = 400, {"badRequest": {"code": 400, "message": "Invalid volume."}}
                return
            volume["status"] = "detaching"
        elif action == "os-roll_detaching":
            if volume["status"] == "detaching":
                volume["status"] = "in-use"
        elif action == "os-reimage":
            if volume["status"] != "reserved" or not given["reimage_reserved"] or self.refuse is not None:
                message = self.refuse or f"Invalid volume: status is {volume['status']}."
                resp.status, resp.media = 400, {"badRequest": {"code": 400, "message": message}}
                return
            volume |= {"status": "downloading", "volume_image_metadata": {"image_id": given["image_id"]}}
            self.filled.append((identifier, given["image_id"]))
        elif action == "os-migrate_volume_completion":
            self.completed.append((identifier, given))
        resp.status = 202

    # -- attachments -----------------------------------------------------------------------------------------------

    def on_get_attachments(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        server, volume = req.get_param("instance_id"), req.get_param("volume_id")
        resp.media = {
            "attachments": [
                {key: one[key] for key in ("id", "status", "instance", "volume_id")}
                for one in self.attachments.values()
                if server in (None, one["instance"]) and volume in (None, one["volume_id"])
            ]
        }

    def on_post_attachments(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        with self._lock:
            self._reserve(req.media["attachment"], resp)

    def _reserve(self, given: dict[str, Any], resp: falcon.Response) -> None:
        volume = self._load(given["volume_uuid"])
        mine = all(one["instance"] == given["instance_uuid"] for one in self.of(volume["id"]))
        usable = volume["status"] in FREE or (
            volume["status"] in ("in-use", "reserved") and (mine or volume["multiattach"])
        )
        if self.refuse is not None or not usable:
            message = self.refuse or f"Invalid volume: status is {volume['status']}."
            resp.status, resp.media = 400, {"badRequest": {"code": 400, "message": message}}
            return
        if volume["status"] in FREE:
            volume["status"] = "reserved"
        made = {
            "id": str(uuid4()),
            "status": "reserved",
            "instance": given["instance_uuid"],
            "volume_id": volume["id"],
            "connection_info": {},
        }
        self.attachments[made["id"]] = made
        resp.media = {"attachment": made}

    def _attachment(self, identifier: str) -> dict[str, Any]:
        if identifier not in self.attachments:
            raise falcon.HTTPNotFound
        return self.attachments[identifier]

    def on_get_attachment(self, req: falcon.Request, resp: falcon.Response, project: str, identifier: str) -> None:
        resp.media = {"attachment": self._attachment(identifier)}

    def on_put_attachment(self, req: falcon.Request, resp: falcon.Response, project: str, identifier: str) -> None:
        one = self._attachment(identifier)
        if one["connection_info"]:
            resp.status, resp.media = 409, {"conflictingRequest": {"code": 409, "message": "duplicate connectors"}}
            return
        self.connectors[identifier] = connector = req.media["attachment"]["connector"]
        one["connection_info"] = {"driver_volume_type": "simulated", "attachment_id": identifier}
        one["device"] = connector["mountpoint"]
        one["status"] = "attaching"
        resp.media = {"attachment": one}

    def on_post_completion(self, req: falcon.Request, resp: falcon.Response, project: str, identifier: str) -> None:
        one = self._attachment(identifier)
        one["status"] = "attached"
        self.volumes[one["volume_id"]]["status"] = "in-use"
        resp.status = 204

    def on_delete_attachment(self, req: falcon.Request, resp: falcon.Response, project: str, identifier: str) -> None:
        one = self._attachment(identifier)
        if req.get_header("X-Service-Token") is None:
            resp.status, resp.media = 409, {"conflictingRequest": {"code": 409, "message": "behind Compute's back"}}
            return
        del self.attachments[identifier]
        left = self.of(one["volume_id"])
        volume = self.volumes[one["volume_id"]]
        if not left:
            volume["status"] = "available"
        else:
            attached = any(other["status"] == "attached" for other in left)
            volume["status"] = "in-use" if attached else "reserved"
        resp.media = {"attachments": left}

    # -- snapshots and types ---------------------------------------------------------------------------------------

    def on_get_types(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        resp.media = {"volume_types": [{"id": "type-id", "name": "simulated"}]}

    def on_get_snapshots(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        resp.media = {"snapshots": list(self.snapshots.values())}

    def on_post_snapshots(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        given = req.media["snapshot"]
        volume = self._load(given["volume_id"])
        made = {"id": str(uuid4()), "status": "available", "size": volume["size"], "created_at": "now", **given}
        self.snapshots[made["id"]] = made
        resp.status, resp.media = 202, {"snapshot": made}

    def on_get_snapshot(self, req: falcon.Request, resp: falcon.Response, project: str, identifier: str) -> None:
        if identifier not in self.snapshots:
            raise falcon.HTTPNotFound
        resp.media = {"snapshot": self.snapshots[identifier]}

    def on_delete_snapshot(self, req: falcon.Request, resp: falcon.Response, project: str, identifier: str) -> None:
        if self.snapshots.pop(identifier, None) is None:
            raise falcon.HTTPNotFound
        resp.status = 202

    def on_post_snapshot_action(
        self, req: falcon.Request, resp: falcon.Response, project: str, identifier: str
    ) -> None:
        if identifier not in self.snapshots:
            raise falcon.HTTPNotFound
        self.snapshots[identifier] |= req.media["os-update_snapshot_status"]
        resp.status = 202
