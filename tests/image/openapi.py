"""Every answer of the tests, held against the published specification of the Image API (`tests/reference`).

Where the specification and Glance differ Glance is right; `DIFFERENCES` lists these places, each with its reason. The
specification's status codes are left alone: they were guessed from the methods (201 for every POST).
"""

from __future__ import annotations

from cumulet.kernel.client import Response
from tests.specification import Specification

SPECIFICATION = Specification("image-v2.yaml")
DIFFERENCES = {
    r"GET /v2/schemas/": "schemas themselves, described as a text",
    r"GET /v2/info/usage \$\.usage": "an object by names of limits, not a list",
    r"GET /v2/images/\{image_id\}/tasks \$\.tasks\[N\]: .*'deleted'": "the row as it is in the database",
    r"GET /v2/info/stores(/detail)? \$\.stores\[N\]\.default": "a text, as all of a store's attributes there",
    r"POST /v2/metadefs/namespaces/\{namespace_name\}/tags \$:": "several tags at once, described as if it were one",
}


def problems(method: str, path: str, answer: Response) -> list[str]:
    """What is wrong with an answer."""
    if answer.status >= 300 or "json" not in answer.headers.get("content-type", ""):
        return []
    return SPECIFICATION.problems(method.lower(), path.partition("?")[0], answer.json(), DIFFERENCES)
