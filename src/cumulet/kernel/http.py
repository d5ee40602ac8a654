"""The HTTP application that every service is made of: routes, one call at a time, errors in the service's own form.

A service writes a tuple of `Route`s and an `Api` description; `application()` turns them into a WSGI callable.
A handler is `def show(call: Call[Service], user_id: str) -> Reply`; it decodes, asks the policy, calls the domain and
answers with a `Reply`. It may run twice when the database lost its transaction, so its effects are in that transaction.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import falcon
import msgspec
from sqlalchemy.exc import DataError

from cumulet.kernel import bodies, context, metrics, structs
from cumulet.kernel.client import STILL
from cumulet.kernel.context import Context
from cumulet.kernel.db import TransactionLost, run_again
from cumulet.kernel.errors import ApiError, BadRequest, InternalError, MethodNotAllowed, NotFound, ServiceUnavailable
from cumulet.kernel.microversions import Microversions, Version
from cumulet.kernel.outages import is_outage
from cumulet.kernel.policy import Policy

LOG = logging.getLogger("cumulet.http")
S = TypeVar("S")
_encode = msgspec.json.Encoder().encode
_JSON = "application/json"


class Reply:
    """An answer: `body` is encoded as JSON unless it is bytes (sent as they are) or None (nothing is sent).

    `stream` is an iterable of bytes or a file-like object instead of a body, with `length` in bytes when it is known.
    `still` tells who asked from within this process whether the same question would be answered the same now: see
    `client.Response`.
    """

    __slots__ = ("body", "content_type", "headers", "length", "status", "still", "stream")

    def __init__(
        self,
        body: Any = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        *,
        content_type: str = _JSON,
        stream: Any = None,
        length: int | None = None,
        still: Callable[[], bool] | None = None,
    ) -> None:
        self.body = body
        self.status = status
        self.headers = headers
        self.content_type = content_type
        self.stream = stream
        self.length = length
        self.still = still


NO_CONTENT = Reply(status=204)
_TYPELESS = falcon.ResponseOptions()
_TYPELESS.default_media_type = None  # type: ignore[assignment]


class Call(Generic[S]):
    """One request on its way through a handler.

    `service` is what the service's composition root built; `ctx` the caller; `version` the negotiated microversion
    ((0, 0) where the service has none).
    """

    __slots__ = ("_raw", "ctx", "req", "service", "version")

    def __init__(self, service: S, req: falcon.Request, ctx: Context, version: Version) -> None:
        self.service = service
        self.req = req
        self.ctx = ctx
        self.version = version
        self._raw: Any = msgspec.UNSET

    @property
    def base_url(self) -> str:
        """Scheme, host and mount path as the client addressed them: what self links start with."""
        return str(self.req.prefix)

    def header(self, name: str) -> str | None:
        value = self.req.get_header(name)
        return value if value is None else str(value)

    def query(self) -> dict[str, list[str]]:
        """Every query key with its values in the order given."""
        return bodies.query_values(self.req.query_string)

    def filters(self, kind: type[bodies.T]) -> bodies.T:
        """The query string as a Struct: a key not in it is ignored unless the Struct forbids unknown fields."""
        return bodies.query_struct(self.query(), kind)

    def raw_json(self) -> Any:
        """The body as plain Python values. Raises BadRequest, UnsupportedMediaType or PayloadTooLarge."""
        if self._raw is msgspec.UNSET:
            self._raw = bodies.read_json(self.req)
        return self._raw

    def json(self, kind: type[bodies.T]) -> bodies.T:
        """The body as a Struct. Raises BadRequest naming the field that is wrong."""
        return bodies.convert(self.raw_json(), kind)


Handler = Callable[..., Reply]


@dataclass(frozen=True)
class Route:
    """One operation. `public` ones need no token; `since`/`until` bound the microversions that have it."""

    method: str
    path: str
    handler: Handler
    public: bool = False
    since: Version | None = None
    until: Version | None = None


class Authenticator(Protocol):
    def __call__(self, req: falcon.Request, *, required: bool) -> Context:
        """The caller of a request. Raises Unauthorized for a missing (when required) or bad token."""


@dataclass(frozen=True)
class Api(Generic[S]):
    """What one service tells the kernel about its HTTP side."""

    name: str
    service: S
    routes: Sequence[Route]
    authenticate: Authenticator
    error_body: Callable[[ApiError, str], Any]
    microversions: Microversions | None = None
    health: Callable[[], None] | None = None
    error_content_type: str = _JSON
    error_form: Callable[[falcon.Request, ApiError], tuple[str, bytes]] | None = None
    """For a service whose errors are not always JSON: (content type, body) instead of `error_body`."""
    sinks: Sequence[tuple[Callable[..., None], str]] = field(default_factory=tuple)
    response_headers: Mapping[str, str] = field(default_factory=dict)
    max_body: int = 1 << 20


def application(api: Api[Any]) -> falcon.App:
    """A WSGI callable that answers `api.routes`, `/healthcheck` and `/metrics`."""
    policy = getattr(api.service, "policy", None)
    if isinstance(policy, Policy):
        policy.load()
    app = falcon.App(middleware=[_Trace(api)], media_type=_JSON)
    app.req_options.strip_url_path_trailing_slash = True
    app.req_options.keep_blank_qs_values = True
    by_path: dict[str, dict[str, list[Route]]] = {}
    for route in api.routes:
        by_path.setdefault(route.path, {}).setdefault(route.method, []).append(route)
    for path, methods in by_path.items():
        app.add_route(path, _resource(api, methods))
    app.add_route("/healthcheck", _Health(api))
    # Now and not with the first request, which would wait for it.
    app.add_route("/metrics", _Metrics(), compile=True)
    for sink, prefix in api.sinks:
        app.add_sink(sink, prefix)
    app.add_error_handler(ApiError, _answer_error(api))
    app.add_error_handler(falcon.HTTPError, _answer_http_error(api))
    app.add_error_handler(Exception, _answer_crash(api))
    app.add_error_handler(DataError, _answer_bad_value(api))
    structs.describe()
    return app


def _resource(api: Api[Any], methods: Mapping[str, list[Route]]) -> object:
    resource = type("Resource", (), {})()
    for method, routes in methods.items():
        setattr(resource, f"on_{method.lower()}", _responder(api, routes))
    if "GET" in methods and "HEAD" not in methods:
        # Falcon has no HEAD of its own; every GET of the original answers HEAD too.
        resource.on_head = _responder(api, methods["GET"])
    return resource


def _responder(api: Api[Any], routes: list[Route]) -> Callable[..., None]:
    service, authenticate, versions = api.service, api.authenticate, api.microversions

    def choose(version: Version) -> Route:
        for route in routes:
            if (route.since is None or version >= route.since) and (route.until is None or version <= route.until):
                return route
        raise NotFound("The resource could not be found.")

    only = routes[0] if len(routes) == 1 and routes[0].since is None and routes[0].until is None else None

    def respond(req: falcon.Request, resp: falcon.Response, **params: str) -> None:
        version: Version = (0, 0)
        if versions is not None:
            version = req.context.version = negotiate(versions, req)
        route = only or choose(version)
        req.context.max_body = api.max_body
        if "\0" in req.path:
            # No id or name has a NUL, and PostgreSQL does not even look for one.
            raise NotFound("The resource could not be found.")
        try:
            ctx = authenticate(req, required=not route.public)
        except TransactionLost:
            ctx = run_again(lambda: authenticate(req, required=not route.public))
        ctx.request_id, ctx.global_request_id = req.context.ids
        req.context.caller = ctx
        call = Call(service, req, ctx, version)
        try:
            reply = route.handler(call, **params)
        except TransactionLost:
            reply = run_again(lambda: route.handler(call, **params))
        if reply.still is not None:
            req.env[STILL] = reply.still
        _write(reply, resp)

    return respond


def negotiate(versions: Microversions, req: falcon.Request) -> Version:
    legacy = req.get_header(versions.legacy_header) if versions.legacy_header else None
    return versions.negotiate(req.get_header("OpenStack-API-Version"), legacy)


def _write(reply: Reply, resp: falcon.Response) -> None:
    resp.status = reply.status
    if reply.headers:
        for name, value in reply.headers.items():
            resp.set_header(name, value)
    if reply.stream is not None:
        resp.content_type = reply.content_type
        if reply.length is not None:
            resp.set_stream(reply.stream, reply.length)
        else:
            resp.stream = reply.stream
    elif reply.body is not None:
        resp.content_type = reply.content_type
        resp.data = reply.body if isinstance(reply.body, bytes) else _encode(reply.body)
    elif reply.status != 204:
        # Without a body Falcon would name the type of its default; the original sends none.
        resp.options = _TYPELESS
        resp.data = b""


class _Trace:
    """Request ids, the access line, metrics and the headers that every answer has."""

    def __init__(self, api: Api[Any]) -> None:
        self._api = api
        self._versions = api.microversions
        self._log = logging.getLogger(f"cumulet.access.{api.name}")
        self._observe = metrics.request_observer(api.name)

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        given = context.accepted_global_id(req.get_header("X-Openstack-Request-Id"))
        ids = (context.new_request_id(), given)
        req.context.ids = ids
        req.context.started = time.perf_counter()
        context.current_request.set(ids)

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        ids = req.context.ids
        resp.set_header("X-Openstack-Request-Id", ids[0])
        for name, value in self._api.response_headers.items():
            resp.set_header(name, value)
        if self._versions is not None:
            version = getattr(req.context, "version", None) or self._versions.default or self._versions.minimum
            for name, value in self._versions.response_headers(version).items():
                resp.append_header(name, value) if name == "Vary" else resp.set_header(name, value)
        seconds = time.perf_counter() - req.context.started
        status = resp.status_code
        self._observe(req.method, status, seconds)
        if self._log.isEnabledFor(logging.INFO):
            caller = getattr(req.context, "caller", None)
            self._log.info(
                "request",
                extra={
                    "method": req.method,
                    "path": req.path,
                    "template": req.uri_template,
                    "status": status,
                    "ms": round(seconds * 1e3, 2),
                    "user_id": caller.user_id if caller else None,
                    "project_id": caller.project_id if caller else None,
                },
            )
        context.current_request.set(None)


class _Health:
    """`/healthcheck`, as oslo.middleware's: 200 `OK`, or 503 with the reason."""

    def __init__(self, api: Api[Any]) -> None:
        self._check = api.health

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        reason = None
        if self._check is not None:
            try:
                self._check()
            except Exception as error:  # noqa: BLE001 - any reason for which the service cannot work is an answer
                reason = type(error).__name__
        resp.status = 503 if reason else 200
        if "json" in (req.get_header("Accept") or ""):
            resp.data = _encode({"status": resp.status_code, "reasons": [reason] if reason else []})
        else:
            resp.content_type = "text/plain; charset=UTF-8"
            resp.data = (reason or "OK").encode()

    on_head = on_get


class _Metrics:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type, resp.data = metrics.exposition()


ErrorHandler = Callable[[falcon.Request, falcon.Response, Any, dict[str, Any]], None]


def _answer_error(api: Api[Any]) -> ErrorHandler:
    def answer(req: falcon.Request, resp: falcon.Response, error: ApiError, params: dict[str, Any]) -> None:
        _drain(req)
        error.version = getattr(req.context, "version", None)
        resp.status = error.status
        if api.error_form is not None:
            resp.content_type, resp.data = api.error_form(req, error)
        else:
            resp.content_type = api.error_content_type
            resp.data = _encode(api.error_body(error, req.context.ids[0]))
        for name, value in error.headers.items():
            resp.set_header(name, value)

    return answer


def _answer_http_error(api: Api[Any]) -> ErrorHandler:
    """Falcon's own refusals (no such route, wrong method, broken query) in the service's form."""
    answer = _answer_error(api)

    def translate(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, params: dict[str, Any]) -> None:
        status = falcon.http_status_to_code(error.status)
        own: ApiError
        if status == 404:
            own = NotFound("The resource could not be found.")
        elif status == 405:
            own = MethodNotAllowed("The method is not allowed for the requested URL.")
        else:
            own = ApiError(error.description or error.title or "", status=status)
        headers = error.headers or {}
        own.headers.update(dict(headers.items()) if isinstance(headers, Mapping) else dict(headers))
        if api.microversions is not None:
            # Nothing was routed, so nobody negotiated; the answer says the version that was asked for all the same.
            with contextlib.suppress(ApiError):
                req.context.version = negotiate(api.microversions, req)
        answer(req, resp, own, params)

    return translate


def _answer_crash(api: Api[Any]) -> ErrorHandler:
    answer = _answer_error(api)

    def crash(req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
        if is_outage(error):
            LOG.warning("%s %s: the database does not answer: %s", req.method, req.path, error)
            away = ServiceUnavailable("The database does not answer at the moment. Try again later.")
            answer(req, resp, away, params)
            return
        LOG.error("%s %s failed", req.method, req.path, exc_info=error)
        answer(
            req,
            resp,
            InternalError("An unexpected error prevented the server from fulfilling your request."),
            params,
        )

    return crash


def _answer_bad_value(api: Api[Any]) -> ErrorHandler:
    """What a database refuses to hold (PostgreSQL: a text with a NUL) came from the client, wherever it got through."""
    answer = _answer_error(api)

    def refuse(req: falcon.Request, resp: falcon.Response, error: DataError, params: dict[str, Any]) -> None:
        LOG.warning("%s %s: the database refused a value: %s", req.method, req.path, type(error.orig).__name__)
        answer(
            req, resp, BadRequest("The request holds a value that cannot be stored, such as a NUL character."), params
        )

    return refuse


def _drain(req: falcon.Request) -> None:
    """Read a small body that nobody read, so that the client gets the answer and not a reset connection."""
    try:
        length = req.content_length
    except falcon.HTTPInvalidHeader:
        return  # nobody knows how much there is
    if length and length <= 1 << 20:
        # A client that is gone already needs neither; the answer is what it is.
        with contextlib.suppress(bodies.BodyCut):
            req.bounded_stream.exhaust()


def mount(
    apps: Mapping[str, Callable[..., Iterable[bytes]]],
    unlisted: Mapping[str, Callable[..., Iterable[bytes]]] | None = None,
) -> Callable[..., Iterable[bytes]]:
    """One WSGI callable for many services under path prefixes (`/identity`, `/compute`): the `--single-port` shape.

    What is `unlisted` is answered too, but is no service that the root tells of.
    """
    by_prefix = {prefix.strip("/"): app for prefix, app in {**(unlisted or {}), **apps}.items()}
    listed = sorted(f"/{prefix.strip('/')}" for prefix in apps)

    def dispatch(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        head, _, _ = path.lstrip("/").partition("/")
        app = by_prefix.get(head)
        if app is None:
            body = _encode({"services": listed})
            start_response(
                "404 Not Found" if head else "200 OK",
                [("Content-Type", _JSON), ("Content-Length", str(len(body)))],
            )
            return [body]
        environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + "/" + head
        environ["PATH_INFO"] = path[len(head) + 1 :] or "/"
        return app(environ, start_response)

    return dispatch
