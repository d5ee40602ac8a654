"""What every service's HTTP side does without being told: ids, errors, versions, retries, health."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import falcon
import msgspec
import pytest

from cumulet.kernel.auth import TokenAuthenticator
from cumulet.kernel.context import Context
from cumulet.kernel.db import TransactionLost
from cumulet.kernel.errors import ApiError, Conflict
from cumulet.kernel.http import NO_CONTENT, Api, Call, Reply, Route, application, mount
from cumulet.kernel.microversions import Microversions
from tests.support import BASE, Client, StaticVerifier, caller


class Thing(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=8)]
    size: int = 0


class ThingBody(msgspec.Struct, forbid_unknown_fields=True):
    thing: Thing


class Filters(msgspec.Struct):
    limit: int | None = None
    tag: list[str] = []
    deep: bool = False


class Service:
    def __init__(self) -> None:
        self.losses = 0


def create(call: Call[Service]) -> Reply:
    body = call.json(ThingBody)
    if body.thing.name == "taken":
        raise Conflict("The name is taken.", code="things.duplicate")
    return Reply({"thing": body.thing}, 201, {"Location": f"{call.base_url}/things/{body.thing.name}"})


def index(call: Call[Service]) -> Reply:
    filters = call.filters(Filters)
    return Reply({"limit": filters.limit, "tags": filters.tag, "deep": filters.deep, "user": call.ctx.user_id})


def index_new(call: Call[Service]) -> Reply:
    return Reply({"version": list(call.version)})


def lost(call: Call[Service]) -> Reply:
    if call.service.losses:
        call.service.losses -= 1
        raise TransactionLost("deadlock")
    return NO_CONTENT


def crash(call: Call[Service]) -> Reply:
    raise ZeroDivisionError("secret detail")


def stream(call: Call[Service]) -> Reply:
    def chunks() -> Iterator[bytes]:
        yield b"ab"
        yield b"cd"

    return Reply(stream=chunks(), content_type="application/octet-stream")


ROUTES = (
    Route("POST", "/things", create),
    Route("GET", "/things", index, until=(1, 4)),
    Route("GET", "/things", index_new, since=(1, 5)),
    Route("GET", "/new", index_new, since=(1, 2)),
    Route("DELETE", "/lost", lost),
    Route("GET", "/crash", crash),
    Route("GET", "/stream", stream),
    Route("GET", "/open", index, public=True),
)


def error_body(error: ApiError, request_id: str) -> Any:
    return {"error": {"status": error.status, "message": error.message, "code": error.code, "request": request_id}}


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def app(service: Service) -> falcon.App:
    verifier = StaticVerifier(good=caller("member", user_id="u1"), wizard=caller("service", user_id="svc"))
    return things(service, verifier)


def things(service: Service, verifier: StaticVerifier) -> falcon.App:
    return application(
        Api(
            name="things",
            service=service,
            routes=ROUTES,
            authenticate=TokenAuthenticator(verifier, service_types=("things",), www_authenticate="http://id"),
            error_body=error_body,
            microversions=Microversions(("things",), (1, 0), (1, 9), legacy_header="X-Things-Version"),
            max_body=200,
        )
    )


@pytest.fixture
def client(app: falcon.App) -> Client:
    return Client(app)


def test_a_body_becomes_a_struct_and_the_answer_json(client: Client) -> None:
    answer = client.post("/things", {"thing": {"name": "a", "size": 3}}, token="good")
    assert answer.status == 201
    assert answer.json() == {"thing": {"name": "a", "size": 3}}
    assert answer.headers["location"] == f"{BASE}/things/a"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "needs a JSON body"),
        (b"{", 400, "not valid JSON"),
        (b'{"thing": {"name": "toolongname"}}', 400, "thing.name"),
        (b'{"thing": {"name": 5}}', 400, "thing.name"),
        (b'{"thing": {"name": "a", "colour": 1}}', 400, "colour"),
        (b'{"thing": {}}', 400, "name"),
        (b"[" * 100_000, 413, "at most 200"),
        (b'"' + b"\xff" * 9 + b'"', 400, ""),
    ],
)
def test_a_bad_body_is_refused_with_the_field(client: Client, body: bytes, status: int, words: str) -> None:
    answer = client.post("/things", token="good", data=body, headers={"Content-Type": "application/json"})
    assert answer.status == status
    assert words in answer.json()["error"]["message"]


def test_another_media_type_is_refused(client: Client) -> None:
    assert client.post("/things", token="good", data=b"x=1", headers={"Content-Type": "text/plain"}).status == 415


def test_the_error_has_the_services_form_and_the_requests_id(client: Client) -> None:
    answer = client.post("/things", {"thing": {"name": "taken"}}, token="good")
    error = answer.json()["error"]
    assert (answer.status, error["code"]) == (409, "things.duplicate")
    assert error["request"] == answer.headers["x-openstack-request-id"]


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("forged", 401), ("good", 200)])
def test_a_token_is_required(client: Client, token: str | None, status: int) -> None:
    answer = client.get("/things", token=token)
    assert answer.status == status
    if status == 401:
        assert answer.headers["www-authenticate"] == 'Keystone uri="http://id"'


def test_claimed_identity_headers_are_never_read(client: Client) -> None:
    claims = {"X-User-Id": "root", "X-Roles": "admin", "X-Project-Id": "p", "X-Identity-Status": "Confirmed"}
    assert client.get("/things", headers=claims).status == 401
    assert client.get("/open", headers=claims).json()["user"] is None


def test_a_bad_service_token_is_refused(client: Client) -> None:
    assert client.get("/things", token="good", headers={"X-Service-Token": "forged"}).status == 401
    assert client.get("/things", token="good", headers={"X-Service-Token": "wizard"}).status == 200


def test_query_values_become_typed(client: Client) -> None:
    assert client.get("/things?limit=5&tag=a&tag=b&deep=true", token="good").json() == {
        "limit": 5,
        "tags": ["a", "b"],
        "deep": True,
        "user": "u1",
    }
    answer = client.get("/things?limit=many", token="good")
    assert answer.status == 400
    assert "limit" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("header", "status", "echo"),
    [
        (None, 404, "things 1.0"),
        ("things 1.2", 200, "things 1.2"),
        ("things latest", 200, "things 1.9"),
        ("compute 2.1, things 1.3", 200, "things 1.3"),
        ("things 2.0", 406, "things 1.0"),
        ("things one", 400, "things 1.0"),
        ("compute 2.99", 404, "things 1.0"),
    ],
)
def test_microversions_are_negotiated(client: Client, header: str | None, status: int, echo: str) -> None:
    answer = client.get("/new", token="good", headers={"OpenStack-API-Version": header} if header else {})
    assert answer.status == status
    assert answer.headers["openstack-api-version"] == echo
    assert "OpenStack-API-Version" in answer.headers["vary"]


def test_the_older_header_counts_too_and_one_path_may_change_with_the_version(client: Client) -> None:
    assert client.get("/things", token="good", headers={"X-Things-Version": "1.5"}).json() == {"version": [1, 5]}


def test_a_callers_request_id_is_kept_and_an_odd_one_is_not(client: Client) -> None:
    given = "req-12345678-1234-1234-1234-123456789abc"
    answer = client.get("/things", token="good", headers={"X-Openstack-Request-Id": given})
    assert answer.headers["x-openstack-request-id"].startswith("req-")
    assert answer.headers["x-openstack-request-id"] != given


def test_a_lost_transaction_is_run_again(client: Client, service: Service) -> None:
    service.losses = 3
    assert client.delete("/lost", token="good").status == 204
    assert service.losses == 0


def test_a_token_is_looked_at_again_after_a_lost_transaction(service: Service) -> None:
    """A database that was started again breaks the connection that the next request finds."""
    losses = [1, 1]

    class Forgetful(StaticVerifier):
        def verify(self, token: str, *, asked_by: str | None = None) -> Context | None:
            if losses:
                losses.pop()
                raise TransactionLost("the server has gone away")
            return super().verify(token)

    verifier = Forgetful(good=caller("member"))
    answer = Client(things(service, verifier)).get("/things", token="good")
    assert (answer.status, losses) == (200, [])


def test_a_crash_is_a_500_without_details(client: Client) -> None:
    answer = client.get("/crash", token="good")
    assert answer.status == 500
    assert b"secret" not in answer.body


def test_unknown_paths_and_methods_have_the_services_form(client: Client) -> None:
    assert client.get("/nothing").json()["error"]["status"] == 404
    answer = client.put("/things", {})
    assert answer.json()["error"]["status"] == 405
    assert "POST" in answer.headers["allow"]


def test_streams_trailing_slashes_head_health_and_metrics(client: Client) -> None:
    assert client.get("/stream", token="good").body == b"abcd"
    assert client.get("/things/", token="good").status == 200
    assert client.head("/things", token="good").status == 200
    assert client.get("/healthcheck").body == b"OK"
    assert b'service="things"' in client.get("/metrics").body


def test_services_share_a_port_under_paths(app: falcon.App) -> None:
    shared = Client(mount({"/things": app}))
    assert shared.get("/things/open").status == 200
    created = shared.post("/things/things", {"thing": {"name": "a"}}, token="good")
    assert created.headers["location"] == f"{BASE}/things/things/a"
    assert shared.get("/").json() == {"services": ["/things"]}
    assert shared.get("/other/x").status == 404
