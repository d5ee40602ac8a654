"""What the operator has guests told beside our own documents: a file of JSON, and services that are asked for each
server (Compute, "Vendordata")."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy.engine import Row

from cumulet.compute.domain import servers
from cumulet.compute.service import Compute
from cumulet.kernel.client import Unreachable

log = logging.getLogger(__name__)
STATIC, DYNAMIC = "StaticJSON", "DynamicJSON"


class VendorDataUnavailable(Exception):
    """A service of the operator's did not answer, and guests are not to start without it."""


def static(compute: Compute) -> dict[str, Any] | None:
    """The content of `[api] vendordata_jsonfile_path`; empty without one, None where it is not to be told."""
    options = compute.conf.api
    if STATIC not in options.vendordata_providers:
        return None
    if not options.vendordata_jsonfile_path:
        return {}
    try:
        found = json.loads(Path(options.vendordata_jsonfile_path).read_bytes())
    except (OSError, ValueError) as error:
        log.warning("vendordata_jsonfile_path cannot be used: %s", error)
        return {}
    return found if isinstance(found, dict) else {}


def dynamic(compute: Compute, row: Row[Any]) -> dict[str, Any]:
    """What each of `[api] vendordata_dynamic_targets` (`name@url`) answers, by its name.

    Raises VendorDataUnavailable where one fails and `vendordata_dynamic_failure_fatal` says so.
    """
    options = compute.conf.api
    if DYNAMIC not in options.vendordata_providers:
        return {}
    found: dict[str, Any] = {}
    for target in options.vendordata_dynamic_targets:
        name, at, url = target.partition("@")
        if not at or name in found:
            log.warning("vendordata_dynamic_targets: %r is no name@url, or its name is there twice", target)
            continue
        found[name] = _ask(compute, name, url, row)
    return found


def _ask(compute: Compute, name: str, url: str, row: Row[Any]) -> Any:
    body = {
        "project-id": row.project_id,
        "instance-id": row.id,
        "image-id": row.image_id,
        "user-data": servers.decode(row.user_data),
        "hostname": row.hostname,
        "metadata": servers.decode(row.metadata),
        "boot-roles": servers.decode(row.system_metadata).get("boot_roles", ""),
    }
    timeout = compute.conf.api.vendordata_dynamic_read_timeout
    try:
        answer = compute.env.transport.request("POST", url, json=body, timeout_s=timeout)
        if answer.status < 300:
            return answer.json() if answer.body else {}
        reason = f"it answered {answer.status}"
    except (Unreachable, msgspec.DecodeError) as error:
        reason = str(error)
    log.warning("the vendor data service %s failed: %s", name, reason)
    if compute.conf.api.vendordata_dynamic_failure_fatal:
        raise VendorDataUnavailable(f"The vendor data service {name} failed: {reason}")
    return {}
