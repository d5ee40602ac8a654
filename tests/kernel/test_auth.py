"""Access rules of application credentials, and how long an answer of Identity is believed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest

from cumulet.kernel.auth import IdentityVerifier, TokenAuthenticator, path_matches
from cumulet.kernel.client import STILL, Transport
from tests.support import BASE


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("/v2.1/servers", "/v2.1/servers", True),
        ("/v2.1/servers", "/v2.1/servers/1", False),
        ("/v2.1/servers/*", "/v2.1/servers/1", True),
        ("/v2.1/servers/*", "/v2.1/servers/1/action", False),
        ("/v2.1/servers/{server_id}/ips", "/v2.1/servers/1/ips", True),
        ("/v2.1/**", "/v2.1/servers/1/action", True),
        ("/v2.1/*/x", "/v2.1", False),
    ],
)
def test_paths_of_access_rules(pattern: str, path: str, fits: bool) -> None:
    assert path_matches(pattern, path) is fits


class FakeIdentity:
    """Answers `GET /v3/auth/tokens` for the tokens in `valid`, counting."""

    def __init__(self) -> None:
        self.valid: dict[str, dict[str, Any]] = {}
        self.asked = 0
        self.changes = 0
        self.says_still = False

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.asked += 1
        token = self.valid.get(environ["HTTP_X_SUBJECT_TOKEN"])
        if self.says_still:
            known = self.changes
            environ[STILL] = lambda: self.changes == known
        start_response("200 OK" if token else "404 Not Found", [])
        return [msgspec.json.encode({"token": token})]


def token(**more: Any) -> dict[str, Any]:
    user = {"id": "u", "name": "u", "domain": {"id": "default"}}
    return {"user": user, "project": {"id": "p", "domain": {"id": "default"}}, "roles": [{"name": "member"}], **more}


@pytest.fixture
def identity() -> FakeIdentity:
    return FakeIdentity()


def verifier(identity: FakeIdentity, remember_s: float) -> IdentityVerifier:
    return IdentityVerifier(Transport(local={BASE: identity}), BASE + "/v3", remember_s=remember_s)


def test_in_one_process_every_request_is_checked(identity: FakeIdentity) -> None:
    local = verifier(identity, 0)
    identity.valid["t"] = token()
    first, second = local.verify("t"), local.verify("t")
    assert first is not None
    assert second is not None
    assert first is not second
    assert (first.user_id, first.project_id, first.roles) == ("u", "p", ("member",))
    del identity.valid["t"]
    assert local.verify("t") is None


def test_an_answer_of_the_same_process_is_used_while_it_holds_and_no_longer(identity: FakeIdentity) -> None:
    identity.says_still = True
    local = verifier(identity, 0)
    identity.valid["t"] = token()
    first, second = local.verify("t"), local.verify("t")
    assert first == second
    assert first is not second  # a receiver may write into its own
    assert identity.asked == 1
    identity.valid["t"] = token(roles=[{"name": "reader"}])
    identity.changes += 1
    changed = local.verify("t")
    assert changed is not None
    assert changed.roles == ("reader",)
    del identity.valid["t"]
    identity.changes += 1
    assert local.verify("t") is None
    assert local.verify("t") is None
    assert identity.asked == 4


def test_over_a_socket_an_answer_is_believed_for_a_second_at_most(identity: FakeIdentity) -> None:
    remote = verifier(identity, 60)
    identity.valid["t"] = token()
    assert remote.verify("t") is not None
    assert remote.verify("t") is not None
    assert identity.asked == 1
    assert remote._remember == 1.0


@pytest.mark.parametrize(
    ("path", "method", "allowed"), [("/a/1", "GET", True), ("/a/1", "POST", False), ("/b", "GET", False)]
)
def test_access_rules_are_enforced(identity: FakeIdentity, path: str, method: str, allowed: bool) -> None:
    rules = [{"service": "things", "path": "/a/*", "method": "GET"}]
    identity.valid["t"] = token(application_credential={"id": "ac", "access_rules": rules})
    authenticate = TokenAuthenticator(verifier(identity, 0), service_types=("things",), www_authenticate="x")
    ctx = verifier(identity, 0).verify("t")
    assert ctx is not None

    class Request:
        def __init__(self) -> None:
            self.path, self.method = path, method

    assert authenticate._rules_allow(ctx, Request()) is allowed  # type: ignore[arg-type]
