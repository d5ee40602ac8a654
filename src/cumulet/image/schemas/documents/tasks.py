"""`/v2/schemas/task` and `/v2/schemas/tasks`."""

from __future__ import annotations

from oslo_config import cfg

from cumulet.image.schemas.documents import READ_ONLY_TEXT, UUID_PATTERN, Document, collection, text

_ONLY_ALONE = ("input", "result", "message")


def task(conf: cfg.ConfigOpts) -> Document:
    properties: Document = {
        "id": text("The id of the task", pattern=UUID_PATTERN),
        "type": text("What the task does", enum=["import", "api_image_import", "location_import"]),
        "status": text("How far the task is", enum=["pending", "processing", "success", "failure"]),
        "input": {"description": "What the task was asked to do", "type": ["null", "object"]},
        "result": {"description": "What came of it", "type": ["null", "object"]},
        "owner": text("The project that asked"),
        "message": text("What a person should know of it, mostly of a failure"),
        "image_id": text("The image that the task is about"),
        "request_id": text("The request that the task came from"),
        "user_id": text("The user who asked"),
        "expires_at": {"description": "When the task may be forgotten", "type": ["null", "string"]},
        "created_at": text("When the task was made"),
        "updated_at": text("When the task last changed"),
        "self": READ_ONLY_TEXT,
        "schema": READ_ONLY_TEXT,
    }
    return {"name": "task", "properties": properties}


def tasks(conf: cfg.ConfigOpts) -> Document:
    stub = task(conf)
    stub["properties"] = {name: value for name, value in stub["properties"].items() if name not in _ONLY_ALONE}
    return collection("tasks", stub, paged=False)
