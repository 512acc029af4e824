"""Frames and the names of errors, without a socket."""

import json
from typing import Any

import pytest

from meetingtasks import errors
from meetingtasks.sessions import protocol
from meetingtasks.sessions.errors import SessionBusy, SessionUnknown


def test_a_frame_is_read_with_its_id_and_data() -> None:
    found = protocol.read({"v": 1, "type": "ack", "id": "a", "data": {"seq": 3}})
    assert (found.type, found.id, found.data) == ("ack", "a", protocol.Ack(seq=3))


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"type": 1},
        {"type": "ping", "v": 2},
        {"type": "ping", "id": True},
        {"type": "ping", "id": "x" * 201},
        {"type": "ping", "data": None},
        {"type": "ping", "op": "x"},
        {"type": "nothing"},
    ],
)
def test_a_frame_of_no_kind_is_refused(frame: dict[str, Any]) -> None:
    with pytest.raises(protocol.BadFrame):
        protocol.read(frame)


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (protocol.BadFrame("x"), "BAD_FRAME", False),
        (protocol.UnknownType("x"), "UNKNOWN_TYPE", False),
        (errors.InvalidPayload("x", fields=[]), "INVALID_PAYLOAD", False),
        (errors.UnknownTaskType("x"), "INVALID_PAYLOAD", False),
        (errors.Unauthorized("x"), "UNAUTHORIZED", False),
        (errors.Forbidden("x"), "FORBIDDEN", False),
        (SessionUnknown("x"), "SESSION_UNKNOWN", False),
        (SessionBusy("x"), "SESSION_BUSY", True),
        (errors.RateLimited("x"), "RATE_LIMITED", True),
        (errors.TaskNotFound("x"), "NOT_FOUND", False),
        (errors.TaskConflict("x"), "CONFLICT", False),
        (errors.PayloadTooLarge("x"), "PAYLOAD_TOO_LARGE", False),
        (errors.BrokerUnavailable("x"), "BROKER_DOWN", True),
        (errors.WaitTimeout("x"), "TIMEOUT", True),
        (errors.MeetingTasksError("x"), "INTERNAL", True),
    ],
)
def test_each_error_has_its_name(error: errors.MeetingTasksError, code: str, *, retryable: bool) -> None:
    told = json.loads(protocol.refusal(error, answers=7))
    assert (told["type"], told["id"], told["data"]["code"]) == ("error", 7, code)
    assert told["data"]["retryable"] is retryable
