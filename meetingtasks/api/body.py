"""Reads a request's body as strict JSON: bounded while it arrives, UTF-8, without duplicate keys or endless numbers."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel

from meetingtasks.clock import SYSTEM
from meetingtasks.errors import InvalidPayload, MalformedBody, PayloadTooLarge, UnsupportedMediaType
from meetingtasks.payloads.json_value import MAX_DEPTH, MAX_PAYLOAD_BYTES, WHOLE_PAYLOAD, JsonProblem, check_json
from meetingtasks.submission import build

ModelT = TypeVar("ModelT", bound=BaseModel)

#: marks a dependency with the model of the body that it reads, for the OpenAPI document
DESCRIBES: Final = "__body_model__"
#: a payload of the largest size and what stands around it
MAX_BODY_BYTES: Final = MAX_PAYLOAD_BYTES + 16 * 1024
#: for a JSON body, from its first byte to its last
WHOLE_WITHIN_S: Final = 30.0
_JSON: Final = re.compile(r'application/json(?:\s*;\s*charset="?utf-8"?)?\s*', re.IGNORECASE)
_LONGEST_NUMBER: Final = 400


def object_from(model: type[BaseModel]) -> Callable[[Request], Coroutine[Any, Any, Mapping[str, Any]]]:
    """Return a dependency that reads the body as an object that ``model`` describes; the route itself checks it."""

    async def read(request: Request) -> Mapping[str, Any]:
        return await read_object(request)

    setattr(read, DESCRIBES, model)
    return read


def describes(model: type[BaseModel]) -> Any:
    """Return a dependency that does nothing but name the model of a body that its route reads itself."""

    def nothing() -> None:
        pass

    setattr(nothing, DESCRIBES, model)
    return Depends(nothing)


def model_from(model: type[ModelT]) -> Callable[[Request], Coroutine[Any, Any, ModelT]]:
    """Return a dependency that reads the body as ``model``; the errors name the field by its JSON pointer."""

    async def read(request: Request) -> ModelT:
        return build(model, await read_object(request))

    setattr(read, DESCRIBES, model)
    return read


async def read_object(request: Request, *, max_bytes: int = MAX_BODY_BYTES) -> Mapping[str, Any]:
    """Return the body's JSON object; MalformedBody, PayloadTooLarge, UnsupportedMediaType or InvalidPayload."""
    content_type = request.headers.get("content-type", "")
    if not _JSON.fullmatch(content_type):
        raise UnsupportedMediaType("the body must be application/json in UTF-8", content_type=content_type[:100])
    if request.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedMediaType("the body must not be compressed")
    return object_of(await read_bytes(request, max_bytes=max_bytes))


async def read_bytes(request: Request, *, max_bytes: int) -> bytes:
    """Return the body; PayloadTooLarge as soon as more has arrived than is allowed, whatever its header said."""
    found = bytearray()
    stream, due_s = request.stream().__aiter__(), SYSTEM.monotonic_s() + WHOLE_WITHIN_S
    while piece := await within(anext(stream, b""), due_s - SYSTEM.monotonic_s()):
        found += piece
        if len(found) > max_bytes:
            raise PayloadTooLarge(f"the body is above {max_bytes // 1024} KiB", limit_bytes=max_bytes)
    return bytes(found)


async def within(piece: Awaitable[bytes], seconds: float) -> bytes:
    """Wait for the next piece of a body; MalformedBody when it does not come in time."""
    try:
        return await asyncio.wait_for(piece, seconds)
    except TimeoutError:
        raise MalformedBody("the body did not come in time", code="request_timeout") from None


def object_of(raw: bytes) -> Mapping[str, Any]:
    """Parse one strict JSON object."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedBody("body is not UTF-8", code="not_utf8", at_byte=error.start) from None
    if not text.strip():
        raise InvalidPayload("body must be a JSON object", fields=[{"field": "", "problem": "is empty"}])
    if text.startswith("\ufeff"):
        raise UnsupportedMediaType("the body must not begin with a byte order mark")
    value = _parsed(text)
    if not isinstance(value, dict):
        raise InvalidPayload("body must be a JSON object", fields=[{"field": "", "problem": "must be a JSON object"}])
    try:
        check_json(value, WHOLE_PAYLOAD)
    except JsonProblem as problem:
        pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in problem.path)
        kind = PayloadTooLarge if problem.too_large else InvalidPayload
        name = str(problem.path[-1]) if problem.path else "body"
        raise kind(f"{name}: {problem.text}"[:300], fields=[{"field": pointer, "problem": problem.text}]) from None
    return value


def _parsed(text: str) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=_without_duplicates,
            parse_constant=_refused_constant,
            parse_int=_bounded,
            parse_float=_finite,
        )
    except json.JSONDecodeError as error:
        raise MalformedBody(
            f"invalid_json: {error.msg} at line {error.lineno}, column {error.colno}",
            line=error.lineno,
            column=error.colno,
        ) from None
    except RecursionError:
        problem = f"nested deeper than {MAX_DEPTH}"
        raise InvalidPayload(f"body: {problem}", fields=[{"field": "", "problem": problem}]) from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise MalformedBody(f"duplicate key {key[:100]!r}", code="duplicate_key")
        found[key] = value
    return found


def _refused_constant(name: str) -> Any:
    raise InvalidPayload(
        f"{name}: must be a finite number", fields=[{"field": "", "problem": "must be a finite number"}]
    )


def _bounded(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise InvalidPayload("number too large", fields=[{"field": "", "problem": "number too large"}])
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits) if len(digits) <= _LONGEST_NUMBER else float("inf")
    if number in (float("inf"), float("-inf")):
        _refused_constant(digits[:20])
    return number
