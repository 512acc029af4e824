"""The events of a fleet from the command line."""

import json
from collections.abc import Callable

from tests.integration.cli.conftest import Answer
from tests.support.processes import RunningProcess


def test_what_is_published_is_read_again(mt: Callable[..., Answer]) -> None:
    first = mt("events", "publish", "user_joined", '{"user_id": 123, "meeting_id": 456}', "--json").document
    assert first["channel"] == "meeting_events"
    mt("events", "publish", "noted", '{"n": 2}', "--channel", "meeting_events")
    lines = [json.loads(line) for line in mt("events", "since", "meeting_events", "--json").out.splitlines()]
    assert [line["type"] for line in lines] == ["user_joined", "noted"]
    assert lines[0]["message_id"] == first["message_id"]
    after = mt("events", "since", "meeting_events", "--after", first["message_id"])
    assert 'noted {"n": 2}' in after.out
    assert "user_joined" not in after.out
    assert mt("events", "since", "meeting_events", "--last", "1h", "--limit", "1").out.count("\n") == 1


def test_wrong_words_are_told(mt: Callable[..., Answer]) -> None:
    for arguments, word in (
        (("publish", "user_joined", "{}"), "user_id"),
        (("publish", "noted", "[]"), "JSON object"),
        (("publish", "noted", "nonsense"), "no JSON"),
        (("since", "ai_events", "--after", "x"), "no event's id"),
        (("since", "ai_events", "--last", "soon"), "no time"),
        (("since", "ai_events", "--last", "1h", "--after", "1-0"), "not both"),
    ):
        answer = mt("events", *arguments)
        assert answer.code == 2, answer
        assert word in answer.err


def test_tail_prints_events_as_they_happen(
    mt: Callable[..., Answer], mt_process: Callable[..., RunningProcess]
) -> None:
    listener = mt_process("events", "tail", "meeting_events", "--count", "1", "--json")
    listener.wait_for_line("listening on meeting_events")
    mt("events", "publish", "meeting.ended", '{"meeting_id": 7}')
    assert '"meeting_id":7' in listener.wait_for_line("meeting.ended")
    assert listener.popen.wait(20) == 0
