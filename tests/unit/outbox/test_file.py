"""The outbox's file: what is in it survives, goes out in order, once, and never exceeds its limits."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meetingtasks.clock import ManualClock
from meetingtasks.errors import BrokerUnavailable, OutboxFull, OutboxUnavailable
from meetingtasks.idempotency import Claim, Duplicate
from meetingtasks.outbox.entry import Entry, entry_of
from meetingtasks.outbox.file import HELD_S, LEASE_S, OutboxFile, claimant_name
from meetingtasks.outbox.limits import Limits
from meetingtasks.settings import load
from meetingtasks.states import TaskState


def entry(task_id: str, **values: Any) -> Entry:
    record = {
        "type": "t",
        "name": "n",
        "service": "s",
        "queue": "q",
        "state": "pending",
        "priority": "normal",
        **values,
    }
    return entry_of([[], {}, {}], {"headers": {"id": task_id, "mt_record": record}, "routing_key": "q"})


_opened: list[OutboxFile] = []


@pytest.fixture(autouse=True)
def _closed_in_the_end() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def file(tmp_path: Path, clock: ManualClock) -> OutboxFile:
    return opened(tmp_path, clock)


def opened(directory: Path, clock: ManualClock, **limits: int) -> OutboxFile:
    given = {"max_tasks": 100, "max_bytes": 1_000_000, "max_age_s": 3600, **limits}
    _opened.append(OutboxFile(directory / "outbox" / "x.sqlite3", Limits(**given), clock=clock))
    return _opened[-1]


def claimed(file: OutboxFile, me: str, count: int = 100) -> list[str]:
    return [entry.task_id for entry in file.claim(me, count)]


def test_tasks_go_out_by_priority_and_then_by_acceptance(file: OutboxFile) -> None:
    for number, level in enumerate(("low", "normal", "critical", "normal", "high", "critical")):
        file.put([entry(f"{number}", priority=level)], origin="a")
    assert claimed(file, claimant_name()) == ["2", "5", "4", "1", "3", "0"]


def test_what_was_put_is_there_for_another_process_and_readable_for_this_user_only(
    file: OutboxFile, tmp_path: Path, clock: ManualClock
) -> None:
    file.put([entry("a", payload={"n": 1}, meeting_id=456)], origin="a")
    found = opened(tmp_path, clock).find("a")
    assert found is not None
    record = found.record()
    assert (record.state, record.payload, record.meeting_id) == (TaskState.BUFFERED, {"n": 1}, 456)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert opened(tmp_path, clock).totals().tasks == 1


@pytest.mark.parametrize("limits", [{"max_tasks": 3}, {"max_bytes": 700}])
def test_a_full_outbox_refuses_and_says_when_to_come_again(
    tmp_path: Path, clock: ManualClock, limits: dict[str, int]
) -> None:
    file = opened(tmp_path, clock, **limits)
    file.put([entry("a"), entry("b")], origin="a")
    with pytest.raises(OutboxFull) as raised:
        file.put([entry("c"), entry("d")], origin="a")
    assert raised.value.code == "outbox_full"
    assert raised.value.retry_after_s == 5
    assert isinstance(raised.value, BrokerUnavailable)
    assert file.totals().tasks == 2  # all or none
    me = claimant_name()
    file.claim(me, 2)
    file.settle(me)
    file.put([entry("c"), entry("d")], origin="a")
    assert file.totals().tasks == 2


def test_an_id_is_kept_once(file: OutboxFile) -> None:
    assert file.put([entry("a", payload=1), entry("a", payload=2)], origin="a") == {}
    assert set(file.put([entry("a", payload=3), entry("b")], origin="a")) == {"a"}
    found = file.find("a")
    assert found is not None
    assert found.values["payload"] == 1
    assert file.totals().tasks == 2


def test_only_one_process_sends_at_a_time(file: OutboxFile, clock: ManualClock) -> None:
    file.put([entry("a"), entry("b")], origin="a")
    first, second = claimant_name(), claimant_name()
    assert claimed(file, first, 1) == ["a"]
    assert claimed(file, second) == []
    file.release(first)
    assert claimed(file, second) == ["a", "b"]
    assert file.settle(first) == 0
    clock.advance(LEASE_S + 1)  # the second one is stopped
    assert claimed(file, first) == ["a", "b"]
    assert file.settle(second) == 0
    assert file.settle(first) == 2
    assert not file.has_work()


def test_the_claims_of_a_dead_process_end_with_it(file: OutboxFile) -> None:
    file.put([entry("a")], origin="a")
    code = (
        "import sys; from pathlib import Path; from meetingtasks.outbox.file import OutboxFile, claimant_name;"
        "from meetingtasks.outbox.limits import Limits;"
        "from meetingtasks.clock import ManualClock;"
        "file = OutboxFile(Path(sys.argv[1]), Limits(max_tasks=1, max_bytes=1, max_age_s=1), clock=ManualClock());"
        "print(len(file.claim(claimant_name(), 1)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file.path)], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    assert claimed(file, claimant_name()) == ["a"]


def test_a_clock_that_was_set_back_keeps_no_claim_alive(file: OutboxFile, clock: ManualClock) -> None:
    file.put([entry("a")], origin="a")
    clock.advance(86_400)
    assert claimed(file, claimant_name()) == ["a"]
    clock.advance(-86_400)
    assert claimed(file, claimant_name()) == ["a"]


def test_a_task_that_was_refused_waits_and_keeps_back_no_other(file: OutboxFile, clock: ManualClock) -> None:
    file.put([entry("a", priority="critical"), entry("b")], origin="mine")
    me = claimant_name()
    file.claim(me, 1)
    file.hold(me, "a", "WRONGTYPE")
    assert file.waiting_of("mine") == 1
    assert claimed(file, me) == ["b"]
    file.settle(me)
    assert not file.has_work()
    found = file.find("a")
    assert found is not None
    assert found.problem == "WRONGTYPE"
    clock.advance(HELD_S + 1)
    assert claimed(file, me) == ["a"]


def test_a_task_that_is_being_sent_cannot_be_cancelled_here(file: OutboxFile) -> None:
    file.put([entry("a")], origin="a")
    me = claimant_name()
    file.claim(me, 1)
    assert file.cancel("a", reason="r", actor="x") is False
    file.release(me)
    assert file.cancel("a", reason="r", actor="x") is True
    assert file.cancel("a", reason="other", actor="y") is True
    assert file.cancel("b", reason="r", actor="x") is False
    found = file.find("a")
    assert found is not None
    assert (found.record().state, found.cancel_reason, found.cancelled_by) == (TaskState.CANCELLED, "r", "x")


def test_purging_spares_what_is_being_sent(file: OutboxFile) -> None:
    file.put([entry("a"), entry("b")], origin="a")
    file.claim(claimant_name(), 1)
    assert file.purge() == 1
    assert file.find("a") is not None


def test_nothing_is_made_by_looking(file: OutboxFile) -> None:
    assert (file.entries(5), file.find("a"), file.totals().tasks, file.has_work(), file.purge()) == (
        [],
        None,
        0,
        False,
        0,
    )
    assert not file.path.parent.exists()


def test_a_damaged_file_is_an_error_and_takes_nothing(file: OutboxFile) -> None:
    file.path.parent.mkdir()
    file.path.write_bytes(b"no database at all" * 1000)
    for act in (lambda: file.put([entry("a")], origin="a"), lambda: file.find("a"), file.totals, file.has_work):
        with pytest.raises(OutboxUnavailable, match=r"x\.sqlite3 cannot be used: file is not a database"):
            act()
    file.path.unlink()
    file.put([entry("a")], origin="a")
    assert file.totals().tasks == 1


def test_a_damaged_page_is_found_when_the_file_is_opened(file: OutboxFile, tmp_path: Path, clock: ManualClock) -> None:
    file.put([entry(f"{number}", payload="x" * 500) for number in range(50)], origin="a")
    file.close()
    content = bytearray(file.path.read_bytes())
    content[4096 * 3 : 4096 * 6] = b"\xff" * 4096 * 3
    file.path.write_bytes(content)
    with pytest.raises(OutboxUnavailable, match="cannot be used"):
        opened(tmp_path, clock).put([entry("new")], origin="a")


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "outbox").write_text("a file where the directory should be")
    with pytest.raises(OutboxUnavailable, match="cannot be used"):
        opened(tmp_path, clock).put([entry("a")], origin="a")


def test_a_full_disk_is_an_error_and_takes_nothing(file: OutboxFile) -> None:
    file.put([entry("a")], origin="a")
    assert file._connection is not None
    file._connection.execute("PRAGMA max_page_count = 1")  # as far as it has come
    with pytest.raises(OutboxUnavailable, match="full"):
        file.put([entry(f"{number}", payload="x" * 5000) for number in range(20)], origin="a")
    assert [kept.task_id for kept in file.entries(10)] == ["a"]
    file._connection.execute("PRAGMA max_page_count = 100000")
    file.put([entry("b")], origin="a")
    assert file.totals().tasks == 2


def test_every_acceptance_is_on_disk_before_it_is_told(file: OutboxFile) -> None:
    file.put([entry("a")], origin="a")
    assert file._connection is not None
    pragmas = [file._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert pragmas == ["wal", 2]


def test_a_writer_that_never_ends_is_an_error(
    file: OutboxFile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: ManualClock
) -> None:
    file.put([entry("a")], origin="a")
    monkeypatch.setattr("meetingtasks.outbox.file.BUSY_S", 0.05)
    other = sqlite3.connect(file.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OutboxUnavailable, match="locked"):
        opened(tmp_path, clock).put([entry("b")], origin="a")
    other.execute("ROLLBACK")
    other.close()


def test_nothing_is_kept_for_longer_than_the_record_that_tells_it_has_run() -> None:
    assert Limits.of(load(record_ttl_s=60)).max_age_s == 60
    assert Limits.of(load()).max_age_s == 43_200


def test_the_outbox_is_off_or_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MT_OUTBOX_PATH", raising=False)
    assert load().outbox_path == Path("var/outbox")
    monkeypatch.setenv("MT_OUTBOX_PATH", "off")
    assert load().outbox_path is None
    assert os.environ["MT_OUTBOX_PATH"] == "off"


def test_a_file_of_the_first_version_gets_what_it_lacks_and_keeps_its_tasks(
    file: OutboxFile, tmp_path: Path, clock: ManualClock
) -> None:
    file.put([entry("a")], origin="a")
    file.close()
    with closing(sqlite3.connect(file.path, isolation_level=None)) as db:
        db.executescript("DROP TRIGGER claims_out; DROP TABLE claims; PRAGMA user_version = 1")
    newer = opened(tmp_path, clock)
    assert newer.put([replace(entry("b"), claim=Claim("key", "digest"))], origin="a") == {}
    assert [(kept.task_id, kept.claim) for kept in newer.entries(10)] == [("a", None), ("b", Claim("key", "digest"))]
    assert newer.keyed(Claim("key", "digest")) == Duplicate("b")
    newer.purge()
    assert newer.keyed(Claim("key", "digest")) is None


def test_a_full_outbox_claims_no_key(tmp_path: Path, clock: ManualClock) -> None:
    file = opened(tmp_path, clock, max_tasks=1)
    with pytest.raises(OutboxFull):
        file.put([replace(entry("a"), claim=Claim("key", "digest")), entry("b")], origin="a")
    assert file.keyed(Claim("key", "digest")) is None
