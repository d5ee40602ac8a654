"""The metadata service's HTTP side: paths to documents, as text.

It is not one of the kernel's applications because guests ask it: it has no tokens, and nothing of ours beside the
documents (metrics, health) may be found on its port.
"""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final

import msgspec

from cumulet.compute.clients import devices, vendor_data
from cumulet.compute.clients.surroundings import with_surroundings
from cumulet.compute.domain import block_devices, guest_passwords, servers
from cumulet.compute.domain import instance_documents as documents
from cumulet.compute.metadata.proxied import Asker, asker
from cumulet.compute.service import Compute
from cumulet.kernel.db import run_again
from cumulet.kernel.errors import ApiError, BadRequest, MethodNotAllowed, NotFound, ServiceUnavailable
from cumulet.kernel.jobs import GiveUp, Retry

log = logging.getLogger(__name__)
TEXT: Final = "text/plain"
JSON: Final = "application/json"
_OPENSTACK: Final = "openstack"
_LONGEST_PASSWORD: Final = 1020  # bytes, as the original stores at most

Answer = tuple[bytes, str]


class MetadataService:
    """The WSGI callable. `secret` is what the proxy signs with; without one nobody is believed."""

    def __init__(self, compute: Compute, secret: str | None) -> None:
        self._compute = compute
        self._secret = secret

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            status, (body, content_type) = 200, run_again(lambda: self._answer(environ))
        except ApiError as error:
            status, body, content_type = error.status, f"{error.message}\n".encode(), TEXT
        except Exception:  # a WSGI application answers, whatever broke
            log.exception("a metadata request failed")
            status, content_type = 500, TEXT
            body = b"An unknown error has occurred. Please try your request again.\n"
        kind = f"{content_type}; charset=UTF-8" if content_type == TEXT else content_type
        start_response(
            f"{status} {HTTPStatus(status).phrase}", [("Content-Type", kind), ("Content-Length", str(len(body)))]
        )
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def _answer(self, environ: dict[str, Any]) -> Answer:
        # Under --single-port the first part of a path has become the name of the script.
        path = posixpath.normpath("/" + environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))
        parts = [part for part in path.split("/") if part]
        if not parts:
            return _lines([*documents.EC2_VERSIONS, documents.LATEST])
        who = asker(environ, self._secret)
        if parts[0] == _OPENSTACK and parts[2:] == ["password"]:
            return self._password(environ, who, parts[1])
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            raise MethodNotAllowed("Metadata is only read.")
        return self._openstack(who, parts[1:]) if parts[0] == _OPENSTACK else self._ec2(who, parts)

    def _facts(self, who: Asker) -> documents.Facts:
        """Raises the 404, also for a server that is not of the project the proxy says."""
        with self._compute.db.read() as connection:
            row = servers.load(connection, who.server_id)
            disks = block_devices.of_server(connection, row.id)
        if row.project_id != who.project_id:
            raise NotFound("There is no such server.")
        return documents.Facts(row, dhcp_domain=self._compute.conf.api.dhcp_domain, devices=disks)

    # -- OpenStack's ---------------------------------------------------------------------------------------------

    def _openstack(self, who: Asker, parts: list[str]) -> Answer:
        facts = self._facts(who)
        if not parts:
            return _lines([*documents.VERSIONS, documents.LATEST])
        version = documents.known(parts[0])
        if version is None or len(parts) > 2:
            raise _missing(parts)
        if len(parts) == 1:
            return _lines(documents.names(facts, version))
        data = documents.document(self._more(facts, parts[1]), version, parts[1])
        if data is None:
            raise _missing(parts)
        return data, JSON if parts[1].endswith(".json") else TEXT

    def _more(self, facts: documents.Facts, name: str) -> documents.Facts:
        """With what only this document needs and another service or the host knows."""
        if name == "meta_data.json" and documents.has_tags(facts):
            return msgspec.structs.replace(facts, addresses=devices.addresses(self._compute, facts.row))
        if name not in ("network_data.json", "vendor_data.json", "vendor_data2.json"):
            return facts
        try:
            return with_surroundings(
                self._compute, facts, subnets=name == "network_data.json", dynamic=name == "vendor_data2.json"
            )
        except (Retry, GiveUp, vendor_data.VendorDataUnavailable) as error:
            raise ServiceUnavailable(str(error)) from None

    def _password(self, environ: dict[str, Any], who: Asker, version: str) -> Answer:
        """The guest leaves its administrator's password here, encrypted with the owner's key, once."""
        known = documents.known(version)
        if known is None or "password" not in documents.names(self._facts(who), known):
            raise _missing([version, "password"])
        method = environ["REQUEST_METHOD"]
        if method in ("GET", "HEAD"):
            return (self._facts(who).row.admin_password_encrypted or "").encode(), TEXT
        if method != "POST":
            raise BadRequest("GET and POST only are supported.")
        body = _body(environ)
        guest_passwords.store(self._compute, who.server_id, body.decode(errors="replace"))
        return b"", TEXT

    # -- EC2's ---------------------------------------------------------------------------------------------------

    def _ec2(self, who: Asker, parts: list[str]) -> Answer:
        facts = self._facts(who)
        if parts[0] == "ec2":
            parts = parts[1:]
        if not parts:
            return _lines([*documents.EC2_VERSIONS, documents.LATEST])
        version = documents.EC2_VERSIONS[-1] if parts[0] == documents.LATEST else parts[0]
        if version not in documents.EC2_VERSIONS:
            raise _missing(parts)
        found: Any = documents.ec2(facts, version)
        for part in parts[1:]:
            if not isinstance(found, dict) or part not in found or part == "_name":
                raise _missing(parts)
            found = found[part]
        return _shown(found)


def _missing(parts: list[str]) -> NotFound:
    return NotFound(f"There is no /{'/'.join(parts)}.")


def _lines(lines: Iterable[str]) -> Answer:
    return "\n".join(lines).encode(), TEXT


def _shown(found: Any) -> Answer:
    """A directory as its entries, those that are directories with a slash; a list as lines."""
    if isinstance(found, dict):
        return _lines(_entry(name, value) for name, value in sorted(found.items()) if name != "_name")
    if isinstance(found, list):
        return _lines(found)
    return found if isinstance(found, bytes) else str(found).encode(), TEXT


def _entry(name: str, value: Any) -> str:
    if not isinstance(value, dict):
        return name
    return str(value.get("_name", f"{name}/"))


def _body(environ: dict[str, Any]) -> bytes:
    """Raises BadRequest for more than a password takes."""
    data: bytes = environ["wsgi.input"].read(_LONGEST_PASSWORD + 1)
    if len(data) > _LONGEST_PASSWORD:
        raise BadRequest("Request is too large.")
    return data
