"""Dead letters are counted, listed in pages, grouped and shown, and choosing among them follows the conditions."""

import pytest

from meetingtasks.dead_letters import Where
from meetingtasks.errors import InvalidPayload, TaskConflict, TaskNotFound
from meetingtasks.events.facts.system import DeadLetterAdded
from meetingtasks.events.log import EventLog
from meetingtasks.store import keys
from tests.support.dead_letters import VALUES, Graveyard


@pytest.fixture
def mixed(yard: Graveyard) -> Graveyard:
    yard.bury("a", values={"meeting_id": 456})
    yard.bury("b", values={"meeting_id": "456"}, code="disk_full", error_class="resource")
    yard.bury("c", values={"type": "transcode", "name": "meetingtasks.media.transcode", "queue": "media_tasks"})
    yard.bury("d", values={"meeting_id": 7})
    return yard


@pytest.mark.parametrize(
    ("where", "meant"),
    [
        (Where(), "abcd"),
        (Where(type="transcode"), "c"),
        (Where(queue="custom_tasks"), "abd"),
        (Where(error_class="resource"), "b"),
        (Where(code="dns"), "acd"),
        (Where(meeting_id=456), "ab"),
        (Where(meeting_id="7"), "d"),
        (Where(queue="custom_tasks", code="dns"), "ad"),
        (Where(type="nobody's"), ""),
    ],
)
def test_conditions_choose_letters(mixed: Graveyard, where: Where, meant: str) -> None:
    assert "".join(sorted(letter.id for letter in mixed.letters.find(where).letters)) == meant
    assert mixed.letters.count(where) == len(meant)


def test_a_fingerprint_chooses_its_letters(mixed: Graveyard) -> None:
    largest = mixed.letters.groups()[0]
    assert mixed.letters.count(Where(fingerprint=largest.by)) == largest.count == 2
    assert {letter.id for letter in mixed.letters.find(Where(fingerprint=largest.by)).letters} == {"a", "d"}
    assert mixed.letters.count(Where(fingerprint=largest.by, meeting_id=7)) == 1


def test_times_of_death_choose_letters(mixed: Graveyard) -> None:
    client = mixed.store.client
    for died_ms, task_id in enumerate("abcd", 1000):
        client.zadd(keys.DEAD, {task_id: died_ms})
    assert mixed.letters.count(Where(since_ms=1001, until_ms=1002)) == 2
    found = mixed.letters.find(Where(since_ms=1001, until_ms=1002)).letters
    assert [letter.id for letter in found] == ["c", "b"]


def test_pages_have_each_letter_once_although_many_died_in_one_millisecond(yard: Graveyard) -> None:
    ids = yard.bury_many(1203)
    yard.store.client.zadd(keys.DEAD, dict.fromkeys(ids, 1000))
    seen: list[str] = []
    after = None
    while True:
        page = yard.letters.find(limit=100, after=after)
        seen += [letter.id for letter in page.letters]
        after = page.after
        if after is None:
            break
    assert seen == sorted(ids, reverse=True)


def test_what_dies_or_leaves_meanwhile_does_not_move_the_next_page(yard: Graveyard) -> None:
    ids = yard.bury_many(10)
    first = yard.letters.find(limit=4)
    yard.bury("newer")
    yard.letters.purge([first.letters[0].id, first.letters[-1].id], actor="me")
    second = yard.letters.find(limit=100, after=first.after)
    assert {letter.id for letter in (*first.letters, *second.letters)} == set(ids)
    assert second.after is None


def test_a_place_that_is_none_is_refused(yard: Graveyard) -> None:
    with pytest.raises(InvalidPayload, match="no position"):
        yard.letters.find(after="page 2")


def test_d1_42_letters_are_grouped_by_fingerprint_type_and_class_of_error(mixed: Graveyard) -> None:
    groups = mixed.letters.groups()
    assert (groups[0].count, groups[0].type, groups[0].code) == (2, "custom_task_type_1", "dns")
    assert len(groups) == 3
    assert groups[0].first_ms <= groups[0].last_ms
    assert groups[0].example == "d"
    assert {group.by: group.count for group in mixed.letters.groups("type")} == {
        "custom_task_type_1": 3,
        "transcode": 1,
    }
    assert {g.by: g.count for g in mixed.letters.groups("error_class")} == {"network": 3, "resource": 1}


def test_d1_42_a_report_is_announced(mixed: Graveyard) -> None:
    report = mixed.letters.report()
    assert report.total == report.last_hour == 4
    assert report.by_error == {"network": 3, "resource": 1}
    *_, told = EventLog(mixed.store.client).since("system_events")
    assert (told.type, told.payload) == ("dlq.report", report.payload())


def told(yard: Graveyard) -> list[DeadLetterAdded]:
    events = EventLog(yard.store.client).since("system_events")
    return [DeadLetterAdded.model_validate(event.payload) for event in events if event.type == "dlq.added"]


def test_the_first_of_a_fingerprint_is_told_and_the_others_are_not(yard: Graveyard) -> None:
    yard.bury("a")
    yard.bury("b")
    yard.bury("c", code="disk_full")
    assert [(added.task_id, added.reason, added.error_code) for added in told(yard)] == [
        ("a", "new", "dns"),
        ("c", "new", "disk_full"),
    ]
    yard.letters.purge(["a", "b"], actor="me")
    yard.bury("d")
    assert told(yard)[-1].task_id == "d"


def test_many_deaths_within_a_minute_are_told_once(yard: Graveyard) -> None:
    yard.bury_many(130)
    assert [(added.reason, added.count) for added in told(yard)] == [("new", 1), ("rate", 100)]


def test_one_letter_is_shown_and_what_is_none_is_an_error(yard: Graveyard) -> None:
    yard.bury("a")
    assert yard.letters.get("a").error is not None
    yard.store.create("b", VALUES)
    with pytest.raises(TaskConflict, match="no dead letter"):
        yard.letters.get("b")
    with pytest.raises(TaskNotFound):
        yard.letters.get("nobody")
