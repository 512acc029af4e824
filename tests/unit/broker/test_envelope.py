import base64
import json
import zlib

import pytest

from meetingtasks.broker import envelope
from tests.unit.broker.malformed import MALFORMED, raw, task

ACCEPT = ("application/json",)


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_message_has_one_short_reason(name: str) -> None:
    with pytest.raises(envelope.Malformed) as refused:
        envelope.check_task(envelope.read(MALFORMED[name]), ACCEPT)
    assert 0 < len(str(refused.value)) <= 200
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "good",
    [
        raw(),
        raw(timelimit=None),
        raw(timelimit=[30, 20.5]),
        raw(eta="2026-11-22T10:00:00+01:00", expires="2036-01-01T00:00:00"),
        raw(shadow="other", group="g", root_id="r", stamps={"a": 1}, stamped_headers=["a"]),
        raw(task="задача", body='[["größe 😀"], {"k": null}, {"chain": []}]'.encode()),
        raw(properties={"priority": None, "reply_to": None}),
    ],
)
def test_what_celery_sends_passes(good: bytes) -> None:
    body = envelope.check_task(envelope.read(good), ACCEPT)
    assert len(body) == 3


def test_the_body_is_decoded_once_for_all() -> None:
    assert envelope.check_task(task(body=b'[[1], {"a": 2}, {}]'), ACCEPT) == [[1], {"a": 2}, {}]


def test_a_compressed_body_is_read() -> None:
    packed = base64.b64encode(zlib.compress(b"[[1], {}, {}]")).decode()
    assert envelope.check_task(task(compression="application/x-gzip", message={"body": packed}), ACCEPT)[0] == [1]


def test_an_accepted_foreign_content_type_is_left_to_its_serializer() -> None:
    message = task(message={"content-type": "application/x-yaml"})
    assert envelope.check_task(message, (*ACCEPT, "application/x-yaml")) == []


def test_a_time_without_zone_is_utc() -> None:
    found = envelope.moment("2026-01-01T00:00:00", "eta")
    assert found is not None
    assert found.isoformat() == "2026-01-01T00:00:00+00:00"


def test_messages_are_json_objects_after_all() -> None:
    assert json.loads(raw())["headers"]["lang"] == "py"
