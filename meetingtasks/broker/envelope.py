"""The envelope: what a message must look like before Celery sees it.

Celery trusts its messages; one with a bad time limit or body ends the worker and comes back to end the next one. Here
each is looked at first, and a malformed one goes to the quarantine with its raw bytes and the reason.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

from kombu.compression import decompress

LONGEST_NAME: Final = 255
MOST_RETRIES: Final = 1_000_000
LONGEST_DELAY_S: Final = 10 * 366 * 86_400
TEXTS: Final = ("root_id", "parent_id", "group", "shadow", "argsrepr", "kwargsrepr", "origin", "compression")
ENCODINGS: Final = ("utf-8", "utf8", "us-ascii", "ascii")
NO_LIMITS: Final = [None, None]


class Malformed(ValueError):
    """A message that no worker may see; the text is the reason, at most 200 characters, without its content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason[:200])


def read(raw: bytes) -> dict[str, Any]:
    """Read a message's JSON and check its outer parts; raises `Malformed`."""
    try:
        message = _decode(raw.decode())
    except (ValueError, RecursionError) as problem:
        raise Malformed(f"not JSON: {type(problem).__name__}") from problem
    _expect(isinstance(message, dict), "not a JSON object")
    headers, properties = message.get("headers"), message.get("properties")
    _expect(isinstance(headers, dict), "headers are not an object")
    _expect(isinstance(properties, dict), "properties are not an object")
    _expect(isinstance(properties.get("delivery_tag"), str), "no delivery tag")
    about = properties.get("delivery_info")
    _expect(isinstance(about, dict), "no delivery info")
    _expect(
        isinstance(about.get("exchange"), str) and isinstance(about.get("routing_key"), str),
        "no exchange or routing key",
    )
    _expect(isinstance(message.get("body"), str), "the body is not a string")
    _expect_texts(properties, ("correlation_id", "reply_to"))
    return cast("dict[str, Any]", message)


def check_task(message: Mapping[str, Any], accept: Collection[str]) -> list[Any]:
    """Check a task's headers and body as Celery will use them; returns the decoded body. Raises `Malformed`."""
    headers = message["headers"]
    for name in ("task", "id"):
        text = headers.get(name)
        if not (isinstance(text, str) and 0 < len(text) <= LONGEST_NAME):
            raise Malformed(f"{name} is not a string of 1-255 characters")
        if not text.isprintable():
            raise Malformed(f"{name} holds control characters")
    retries = headers.get("retries", 0)
    _expect(_is_int(retries) and 0 <= retries <= MOST_RETRIES, "retries is not a count")
    _expect_texts(headers, TEXTS)
    limits = headers.get("timelimit")
    if limits != NO_LIMITS:
        _check_limits(limits)
    moment(headers.get("expires"), "expires")
    eta = moment(headers.get("eta"), "eta")
    _expect(eta is None or eta.timestamp() - datetime.now(UTC).timestamp() < LONGEST_DELAY_S, "eta is too far away")
    _expect(isinstance(headers.get("stamped_headers"), list | None), "stamped_headers is not a list")
    _expect(isinstance(headers.get("stamps"), dict | None), "stamps is not an object")
    _expect(_is_int(headers.get("replaced_task_nesting") or 0), "replaced_task_nesting is not a number")
    return _body(message, accept)


def moment(value: Any, name: str) -> datetime | None:
    """Read an ISO 8601 time with or without zone (then UTC); raises `Malformed`."""
    if value is None:
        return None
    _expect(isinstance(value, str), f"{name} is not an ISO 8601 time")
    try:
        read_time = datetime.fromisoformat(value)
        return read_time if read_time.tzinfo else read_time.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as problem:
        raise Malformed(f"{name} is not an ISO 8601 time") from problem


def _check_limits(limits: Any) -> None:
    if limits is None:
        return
    _expect(isinstance(limits, list) and len(limits) in (0, 2), "timelimit is not a pair")
    for limit in limits:
        _expect(limit is None or _is_number(limit), "timelimit is not a pair of numbers")
        _expect(limit is None or (math.isfinite(limit) and 0 <= limit <= LONGEST_DELAY_S), "timelimit is out of range")


def _body(message: Mapping[str, Any], accept: Collection[str]) -> list[Any]:
    content_type, encoding = message.get("content-type"), message.get("content-encoding")
    _expect(content_type in accept, "the content type is not accepted")
    _expect(isinstance(encoding, str) and encoding.lower() in (*ENCODINGS, "binary"), "unknown content encoding")
    body = _bytes(message["body"], message["properties"].get("body_encoding"))
    compression = message["headers"].get("compression")
    if compression:
        body = _decompressed(body, compression)
    if content_type != "application/json":
        return []  # its own serializer judges it
    try:
        parts = _decode_strictly(body.decode("utf-8" if encoding == "binary" else str(encoding)))
    except (ValueError, RecursionError) as problem:
        raise Malformed(f"the body is not JSON: {type(problem).__name__}") from problem
    _expect(isinstance(parts, list) and len(parts) == 3, "the body is not a triple")  # noqa: PLR2004 - args, kwargs, embed
    _expect(isinstance(parts[0], list), "args is not a list")
    _expect(isinstance(parts[1], dict), "kwargs is not an object")
    _expect(isinstance(parts[2], dict), "callbacks are not an object")
    return cast("list[Any]", parts)


def _bytes(body: str, encoding: Any) -> bytes:
    if encoding == "base64":
        try:
            return base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError) as problem:
            raise Malformed("the body is not base64") from problem
    _expect(encoding is None or (isinstance(encoding, str) and encoding.lower() == "utf-8"), "unknown body encoding")
    return body.encode("utf-8", "surrogatepass")


def _decompressed(body: bytes, compression: str) -> bytes:
    try:
        return bytes(decompress(body, compression))
    except Exception as problem:
        raise Malformed("the body cannot be decompressed") from problem


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


# every message passes here: a decoder is made once, and no reason is put into words that nobody will read
_decode: Final = json.JSONDecoder().decode
_decode_strictly: Final = json.JSONDecoder(parse_constant=_refuse_constant).decode


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _expect_texts(found: Mapping[str, Any], names: Iterable[str]) -> None:
    for name in names:
        value = found.get(name)
        if value is not None and not isinstance(value, str):
            raise Malformed(f"{name} is not a string")


def _expect(holds: bool, reason: str) -> None:
    if not holds:
        raise Malformed(reason)
