"""What a service refuses with. Each service gives these its own JSON form (see `http.Api.error_body`)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus


class ApiError(Exception):
    """An answer with status >= 400. `message` is a sentence for the caller and names the field where there is one.

    `code` is the machine-readable code of services that publish one (`placement.concurrent_update`);
    `details` is what a service's error body may carry beside it. `version` is the microversion of the request that is
    answered, set by the HTTP application; None where none was negotiated.
    """

    status = 500
    version: tuple[int, int] | None = None

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        if status is not None:
            self.status = status
        super().__init__(message or HTTPStatus(self.status).phrase)
        self.message = message or HTTPStatus(self.status).phrase
        self.code = code
        self.headers = dict(headers or {})
        self.details = dict(details or {})

    @property
    def title(self) -> str:
        return HTTPStatus(self.status).phrase


class BadRequest(ApiError):
    status = 400


class Unauthorized(ApiError):
    status = 401


class Forbidden(ApiError):
    status = 403


class NotFound(ApiError):
    status = 404


class MethodNotAllowed(ApiError):
    status = 405


class NotAcceptable(ApiError):
    status = 406


class Conflict(ApiError):
    status = 409


class Gone(ApiError):
    status = 410


class PreconditionFailed(ApiError):
    status = 412


class PayloadTooLarge(ApiError):
    status = 413


class UnsupportedMediaType(ApiError):
    status = 415


class RangeNotSatisfiable(ApiError):
    status = 416


class InternalError(ApiError):
    status = 500


class NotImplementedHere(ApiError):
    status = 501


class ServiceUnavailable(ApiError):
    status = 503
