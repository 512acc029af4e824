"""What is written about a task is read as it was written, whatever its words, numbers and times."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from meetingtasks.records import Attempt, Progress, TaskError, TaskRecord, from_fields, to_fields
from meetingtasks.states import Priority, TaskState

WORDS = st.text(st.characters(codec="utf-8"), max_size=30)
TIMES_MS = st.integers(0, 2**52)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(WORDS, JSON, max_size=3)
KEYS = st.none() | st.integers(-(2**63), 2**63 - 1) | WORDS.filter(bool)
NAMES = st.none() | WORDS.filter(bool)

FIRST_VALUES = st.fixed_dictionaries(
    {
        **dict.fromkeys(("type", "name", "service", "queue"), WORDS),
        "priority": st.sampled_from(Priority).map(str),
        "state": st.sampled_from(TaskState).map(str),
        "payload": JSON,
        "metadata": st.none() | OBJECTS.filter(bool),
        **dict.fromkeys(("user_id", "meeting_id", "project_id"), KEYS),
        **dict.fromkeys(("session_id", "pipeline_id", "parent_task_id", "trace_id"), NAMES),
        "max_retries": st.none() | st.integers(0, 100),
        "timeout_s": st.none() | st.floats(0.001, 86_400),
        **dict.fromkeys(("eta_ms", "expires_ms"), st.none() | TIMES_MS),
    }
)
ERRORS = st.builds(TaskError, code=WORDS, error_class=WORDS, message=WORDS, details=OBJECTS, traceback=WORDS)


@given(FIRST_VALUES, TIMES_MS)
def test_first_values_are_read_as_they_were_given(values: dict[str, object], created_ms: int) -> None:
    record = from_fields({**to_fields(values), "id": "t", "created_ms": str(created_ms)})
    for name, value in values.items():
        assert getattr(record, name) == ({} if name == "metadata" and value is None else value), name
        assert type(getattr(record, name)) in (type(value), Priority, TaskState, dict)
    assert record.created_ms == created_ms


@given(FIRST_VALUES)
def test_a_stored_hash_holds_text_alone(values: dict[str, object]) -> None:
    fields = to_fields(values)
    assert all(isinstance(text, str) for text in fields.values())
    assert fields.keys() == {name for name, value in values.items() if value is not None}


@given(ERRORS, WORDS, st.floats(0, 100), st.booleans(), TIMES_MS)
def test_ends_and_progress_are_read_back(
    error: TaskError, message: str, percent: float, flag: bool, at_ms: int
) -> None:
    fields = {
        "id": "t",
        "type": "x",
        "name": "x",
        "service": "",
        "queue": "",
        "state": "failed",
        "created_ms": "1",
        "error": json.dumps(error.__dict__, ensure_ascii=False),
        "percent": repr(percent),
        "message": message,
        "progress_ms": str(at_ms),
        **dict.fromkeys(("partial", "dead", "redelivered"), "1" if flag else "0"),
    }
    record = from_fields(fields)
    assert record.error == error
    assert record.progress == Progress(percent=percent, message=message, updated_ms=at_ms)
    assert record.partial is record.dead is record.redelivered is flag


@given(st.lists(st.builds(Attempt, attempt=st.integers(1, 30), worker=WORDS, pid=st.integers(1), started_ms=TIMES_MS)))
def test_attempts_are_read_in_their_order(attempts: list[Attempt]) -> None:
    numbered = [replace(attempt, attempt=number) for number, attempt in enumerate(attempts, 1)]
    fields = {"id": "t", "type": "", "name": "", "service": "", "queue": "", "state": "running", "created_ms": "1"}
    stored = {f"attempt:{one.attempt}": json.dumps(one.__dict__) for one in reversed(numbered)}
    assert from_fields({**stored, **fields}).attempts == tuple(numbered)


@given(FIRST_VALUES)
def test_a_record_is_ready_for_json(values: dict[str, object]) -> None:
    record = from_fields({**to_fields(values), "id": "t", "created_ms": "1"})
    assert TaskRecord.__dataclass_fields__.keys() == json.loads(json.dumps(record.as_dict())).keys()
