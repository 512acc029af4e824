"""What waits for one client."""

import json

from meetingtasks.sessions.mailbox import MOST_ANSWERS, Mailbox


def test_of_progress_only_the_newest_of_each_task_is_kept() -> None:
    woken: list[int] = []
    mailbox = Mailbox(lambda: woken.append(1))
    for percent in range(1000):
        mailbox.progress("a", {"percent": percent})
    mailbox.progress("b", {"percent": 1})
    assert len(woken) == 1001
    told = [json.loads(text) for text in mailbox.take_progress()]
    assert [(frame["type"], frame["data"]["percent"]) for frame in told] == [
        ("task.progress", 999),
        ("task.progress", 1),
    ]
    assert mailbox.take_progress() == []


def test_the_end_of_a_task_takes_its_progress_away() -> None:
    mailbox = Mailbox(lambda: None)
    mailbox.progress("a", {"percent": 1})
    mailbox.drop_progress("a")
    assert mailbox.take_progress() == []


def test_who_does_not_read_its_answers_is_let_go() -> None:
    mailbox = Mailbox(lambda: None)
    for _ in range(MOST_ANSWERS):
        mailbox.answer("x")
    assert mailbox.closed is None
    mailbox.answer("x")
    assert mailbox.closed == (4429, "too many answers wait")
    assert len(mailbox.take_answers()) == MOST_ANSWERS


def test_the_first_reason_to_close_stands() -> None:
    mailbox = Mailbox(lambda: None)
    mailbox.close(4409, "taken over")
    mailbox.close(1012, "restart")
    assert mailbox.closed == (4409, "taken over")
