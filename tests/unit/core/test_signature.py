"""A delivery's signature holds for its very body, id and time, and for one secret."""

import hashlib
import hmac

import pytest

from meetingtasks.callbacks import sign, verify
from meetingtasks.clock import ManualClock

BODY = '{"event":"task.completed","result":"会议"}'.encode()


def signed(clock: ManualClock) -> dict[str, str]:
    return sign("s3cret", BODY, delivery_id="d1", event="task.completed", clock=clock)


def test_what_is_signed_is_time_id_and_body() -> None:
    headers = signed(ManualClock(now_ms=1_700_000_000_999))
    assert headers["X-Meetingtasks-Timestamp"] == "1700000000"
    expected = hmac.new(b"s3cret", b"1700000000.d1." + BODY, hashlib.sha256).hexdigest()
    assert headers["X-Meetingtasks-Signature"] == f"v1={expected}"


def test_an_unchanged_delivery_is_accepted_under_whatever_case_its_headers_have() -> None:
    clock = ManualClock()
    assert verify({name.upper(): value for name, value in signed(clock).items()}, BODY, "s3cret", clock=clock)


@pytest.mark.parametrize(
    "change",
    [
        {"X-Meetingtasks-Timestamp": "1"},
        {"X-Meetingtasks-Timestamp": "²"},
        {"X-Meetingtasks-Id": "d2"},
        {"X-Meetingtasks-Signature": "v1="},
        {"X-Meetingtasks-Signature": "ü"},
        {"X-Meetingtasks-Signature": ""},
    ],
    ids=str,
)
def test_a_changed_header_is_refused(change: dict[str, str]) -> None:
    clock = ManualClock()
    assert not verify({**signed(clock), **change}, BODY, "s3cret", clock=clock)


def test_another_body_or_secret_and_an_old_delivery_are_refused() -> None:
    clock = ManualClock()
    headers = signed(clock)
    assert not verify(headers, BODY + b" ", "s3cret", clock=clock)
    assert not verify(headers, BODY, "other", clock=clock)
    assert not verify({}, BODY, "s3cret", clock=clock)
    clock.advance(301)
    assert not verify(headers, BODY, "s3cret", clock=clock)
