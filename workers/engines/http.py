"""Calls to OpenAI-style endpoints, with their failures told in the engines' words.

The speech and the chat engines share it. It repeats nothing: whether to try again is decided by who called the engine,
who finds the HTTP status and Retry-After in the error's ``details``.
"""

from __future__ import annotations

from typing import Any

import httpx2

from workers.engines.errors import EngineError, InvalidInput, NotConfigured

MAX_RESPONSE_BYTES = 8 * 1024 * 1024
_MAX_QUOTE = 300


class EndpointFailed(EngineError):
    """The endpoint did not answer, or answered with an error; ``details`` has ``status`` and ``retry_after``."""

    code = "endpoint_failed"


def post(
    url: str,
    *,
    key: str,
    timeout_s: float,
    json: Any = None,
    data: dict[str, Any] | None = None,
    files: dict[str, tuple[str, bytes, str]] | None = None,
) -> Any:
    """POST and return the decoded JSON answer.

    Raises ``NotConfigured`` when the endpoint refuses the key, ``InvalidInput`` when it refuses the content (400, 413,
    415, 422), ``EndpointFailed`` otherwise: no connection, time out, 429, 5xx, an answer that is too large or no JSON.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with (
            httpx2.Client(timeout=timeout_s, headers=headers) as client,
            client.stream("POST", url, json=json, data=data, files=files) as response,
        ):
            body = _bounded(response, url)
            status, retry_after = response.status_code, response.headers.get("retry-after")
    except httpx2.TimeoutException as error:
        raise EndpointFailed(f"{url} did not answer within {timeout_s:g} s", code="endpoint_timeout") from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise EndpointFailed(f"{url} cannot be reached: {error}", code="endpoint_unreachable") from error
    if not 200 <= status < 300:  # noqa: PLR2004 - HTTP's own limits of success
        raise _refusal(url, status, body, retry_after)
    try:
        return httpx2.Response(200, content=body).json()
    except ValueError as error:
        raise EndpointFailed(f"{url} answered with something that is no JSON: {_quote(body)}", status=status) from error


def _bounded(response: httpx2.Response, url: str) -> bytes:
    body = bytearray()
    for part in response.iter_bytes():
        body += part
        if len(body) > MAX_RESPONSE_BYTES:
            raise EndpointFailed(f"{url} answered with more than {MAX_RESPONSE_BYTES} bytes")
    return bytes(body)


def _refusal(url: str, status: int, body: bytes, retry_after: str | None) -> EngineError:
    message = f"{url} answered {status}: {_quote(body)}"
    if status in {401, 403}:
        return NotConfigured(f"{message} (check the endpoint's key)", status=status)
    if status in {400, 413, 415, 422}:
        return InvalidInput(message, code="endpoint_refused", status=status)
    return EndpointFailed(message, status=status, retry_after=retry_after)


def _quote(body: bytes) -> str:
    return body[:_MAX_QUOTE].decode("utf-8", "replace")
