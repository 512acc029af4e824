"""What an error means over HTTP: the table of status codes, and the one body in which every error is told."""

from __future__ import annotations

import logging
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from meetingtasks import errors
from meetingtasks.answers import BROKER_ERRORS, unavailable
from meetingtasks.logs import mask

log = logging.getLogger(__name__)

#: by code first, then by the first fitting class
BY_CODE: Final = {
    "result_expired": 410,
    "unknown_queue": 404,
    "not_found": 404,
    "idempotency_conflict": 409,
    "outbox_full": 503,
    "request_timeout": 408,
}
BY_CLASS: Final[tuple[tuple[type[Exception], int], ...]] = (
    (errors.MalformedBody, 400),
    (errors.Unauthorized, 401),
    (errors.Forbidden, 403),
    (errors.TaskNotFound, 404),
    (errors.ResultNotReady, 409),
    (errors.TaskConflict, 409),
    (errors.RouteConflict, 409),
    (errors.TaskFailed, 409),
    (errors.PayloadTooLarge, 413),
    (errors.UnsupportedMediaType, 415),
    (errors.RateLimited, 429),
    (errors.WaitTimeout, 504),
    (errors.NetworkError, 503),
    (errors.ResourceError, 503),
    (errors.TransientError, 503),
    (errors.BusinessError, 422),
)
_BY_STATUS: Final = {404: "not_found", 405: "method_not_allowed"}


def install(api: FastAPI) -> None:
    """Tell every error of an application in one shape."""
    api.add_exception_handler(errors.MeetingTasksError, _ours)
    for kind in BROKER_ERRORS:
        api.add_exception_handler(kind, _of_the_broker)
    api.add_exception_handler(RequestValidationError, _of_parameters)
    api.add_exception_handler(HTTPException, _of_routing)
    api.add_exception_handler(ClientDisconnect, _gone)
    api.add_exception_handler(Exception, _unexpected)


class Problem(BaseModel):
    """What is wrong, in words and for programs."""

    code: str
    message: str
    details: dict[str, Any]
    retryable: bool


class ProblemBody(BaseModel):
    """The body of every answer that is an error."""

    error: Problem
    request_id: str


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the error answers of a route, for the OpenAPI document."""
    return {status: {"model": ProblemBody} for status in statuses}


def status_of(error: errors.MeetingTasksError) -> int:
    """Return the HTTP status of an error."""
    fitting = (status for kind, status in BY_CLASS if isinstance(error, kind))
    return BY_CODE.get(error.code) or next(fitting, 500)


def body_of(request: Request, error: dict[str, Any]) -> dict[str, Any]:
    """Return ``{"error": {code, message, details, retryable}, "request_id"}``."""
    return {
        "error": {**error, "message": mask(error["message"])},
        "request_id": str(request.scope.get("request_id", "")),
    }


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.MeetingTasksError)  # noqa: S101 - it was registered for this class
    status = status_of(error)
    headers = {}
    if error.retry_after_s is not None or status == 503:  # noqa: PLR2004 - the status itself
        headers["Retry-After"] = str(max(1, round(error.retry_after_s or 1)))
    if status == 401:  # noqa: PLR2004 - the status itself
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body_of(request, error.body()), status, headers)


async def _of_the_broker(request: Request, error: Exception) -> JSONResponse:
    return await _ours(request, unavailable(error))


async def _of_parameters(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it was registered for this class
    fields = [
        {"field": ".".join(str(part) for part in one["loc"][1:])[:200], "problem": str(one["msg"])[:200]}
        for one in error.errors()[:20]
    ]
    told = "; ".join(f"{one['field']}: {one['problem']}" for one in fields[:3])
    about = {"code": "invalid_parameter", "message": told, "details": {"fields": fields}, "retryable": False}
    return JSONResponse(body_of(request, about), 422)


async def _of_routing(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - it was registered for this class
    code = _BY_STATUS.get(error.status_code, "http_error")
    about = {"code": code, "message": str(error.detail), "details": {}, "retryable": False}
    return JSONResponse(body_of(request, about), error.status_code, dict(error.headers or {}))


async def _gone(request: Request, error: Exception) -> JSONResponse:
    del error
    log.info("a caller hung up within its request", extra={"path": request.url.path[:200]})
    about = {"code": "client_gone", "message": "the caller hung up", "details": {}, "retryable": True}
    return JSONResponse(body_of(request, about), 400)  # nobody reads it


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("a request failed unexpectedly", exc_info=error, extra={"path": request.url.path})
    about = {"code": "internal", "message": "an unexpected error; the log has it", "details": {}, "retryable": True}
    return JSONResponse(body_of(request, about), 500)
