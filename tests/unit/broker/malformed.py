"""Messages that no worker may see, by name; most of them end a stock worker."""

import base64
import json
from typing import Any

from kombu.utils.uuid import uuid


def task(**parts: Any) -> dict[str, Any]:
    """Return a good message; ``parts`` are headers, but for body (bytes), properties, encoding and message."""
    body = parts.pop("body", b"[[1, 2], {}, {}]")
    properties = {
        "correlation_id": "c",
        "reply_to": "r",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": "celery"},
        "priority": 6,
        "body_encoding": "base64",
        "delivery_tag": uuid(),
        **parts.pop("properties", {}),
    }
    message = {
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "body": base64.b64encode(body).decode(),
        "properties": properties,
        **parts.pop("message", {}),
    }
    headers = {"lang": "py", "task": "tests.integration.broker.tasks_app.add", "id": uuid(), "retries": 0}
    headers |= {"timelimit": [None, None], "eta": None, "expires": None, "root_id": None, "parent_id": None, **parts}
    message.setdefault("headers", {name: value for name, value in headers.items() if value is not ...})
    return message


def raw(**parts: Any) -> bytes:
    return json.dumps(task(**parts)).encode()


def without(name: str) -> bytes:
    message = task()
    del message[name]
    return json.dumps(message).encode()


MALFORMED: dict[str, bytes] = {
    "no JSON": b"not json",
    "empty": b"",
    "truncated": raw()[:-20],
    "not UTF-8": b"\xff\xfe\x00",
    "deeply nested": b"[" * 200_000,
    "a list": b"[]",
    "null": b"null",
    "a number": b"1",
    "a text": b'"text"',
    "true": b"true",
    "an empty object": b"{}",
    "no headers": without("headers"),
    "no properties": without("properties"),
    "no body": without("body"),
    "no content type": without("content-type"),
    "no content encoding": without("content-encoding"),
    "headers are a list": raw(message={"headers": []}),
    "headers are null": raw(message={"headers": None}),
    "headers are empty": raw(message={"headers": {}}),
    "properties are a list": raw(message={"properties": []}),
    "no delivery tag": raw(properties={"delivery_tag": None}),
    "delivery tag is a number": raw(properties={"delivery_tag": 5}),
    "delivery info is a text": raw(properties={"delivery_info": "x"}),
    "no exchange": raw(properties={"delivery_info": {"routing_key": "celery"}}),
    "exchange is a list": raw(properties={"delivery_info": {"exchange": [], "routing_key": "celery"}}),
    "reply_to is an object": raw(properties={"reply_to": {}}),
    "correlation id is a list": raw(properties={"correlation_id": []}),
    "body is a number": raw(message={"body": 5}),
    "body is null": raw(message={"body": None}),
    "body is bad base64": raw(message={"body": "%%%not base64"}),
    "body is not JSON": raw(body=b"nope"),
    "body is empty": raw(body=b""),
    "body is an object": raw(body=b'{"a": 1}'),
    "body is a single": raw(body=b"[[1]]"),
    "body is a pair": raw(body=b"[[1], {}]"),
    "args is an object": raw(body=b"[{}, {}, {}]"),
    "args is null": raw(body=b"[null, {}, {}]"),
    "kwargs is a list": raw(body=b"[[], [], {}]"),
    "callbacks are null": raw(body=b"[[], {}, null]"),
    "NaN among the arguments": raw(body=b"[[NaN], {}, {}]"),
    "infinity among the arguments": raw(body=b"[[Infinity], {}, {}]"),
    "body is not UTF-8": raw(body=b'[["\xff"], {}, {}]'),
    "body encoding rot13": raw(properties={"body_encoding": "rot13"}),
    "body encoding is a number": raw(properties={"body_encoding": 7}),
    "time limit is a number": raw(timelimit=5),
    "time limit is texts": raw(timelimit=["x", "y"]),
    "time limit is negative": raw(timelimit=[-1, None]),
    "time limit is a triple": raw(timelimit=[1, 2, 3]),
    "time limit is true": raw(timelimit=[True, None]),
    "time limit is huge": raw(timelimit=[1e300, None]),
    "no id": raw(id=...),
    "id is an object": raw(id={}),
    "id is null": raw(id=None),
    "id is empty": raw(id=""),
    "id is long": raw(id="x" * 1000),
    "id holds a newline": raw(id="a\nb"),
    "no task": raw(task=...),
    "task is null": raw(task=None),
    "task is a number": raw(task=5),
    "task is 1 MB long": raw(task="t" * 1_000_000),
    "eta is text": raw(eta="tomorrow"),
    "eta is a number": raw(eta=1e18),
    "eta is year 9999": raw(eta="9999-12-31T00:00:00+00:00"),
    "eta is 30 February": raw(eta="2026-02-30T00:00:00"),
    "expires is text": raw(expires="soon"),
    "expires is an object": raw(expires={}),
    "retries is a text": raw(retries="3"),
    "retries is negative": raw(retries=-1),
    "retries is huge": raw().replace(b'"retries": 0', b'"retries": 1' + b"0" * 400),
    "retries is 5000 digits": raw().replace(b'"retries": 0', b'"retries": ' + b"9" * 5000),
    "unknown compression": raw(compression="zip9"),
    "compression is a list": raw(compression=[]),
    "pickle": raw(message={"content-type": "application/x-python-serialize"}),
    "yaml": raw(message={"content-type": "application/x-yaml"}),
    "content type is a number": raw(message={"content-type": 1}),
    "unknown content encoding": raw(message={"content-encoding": "utf-99"}),
    "root id is a list": raw(root_id=[]),
    "group is an object": raw(group={}),
    "stamps is a text": raw(stamps="x"),
    "stamped headers is an object": raw(stamped_headers={}),
}
