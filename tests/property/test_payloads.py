"""Whatever JSON arrives, a payload model answers with a payload or with a refusal that any face can show."""

import base64
import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetingtasks.errors import InvalidPayload, PayloadTooLarge
from meetingtasks.payloads.common import content_key, validate
from meetingtasks.task_types import CATALOGUE

TYPES = sorted(t.name for t in CATALOGUE if t.payload.__module__.startswith("meetingtasks.payloads"))

# text here has lone surrogates and control characters too
texts = st.text(st.characters(), max_size=20)
words = st.sampled_from(
    ["start", "file:///a.wav", "s3://abc/d", "https://h/x", "en", "AAAA", "2026-02-21", "UTC", "offer", "a b", "daily"]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-10, 10**6)
    | st.just(10**400)
    | st.floats(allow_nan=True, allow_infinity=True)
    | texts
    | words
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts | words, inner, max_size=4),
    max_leaves=12,
)


def accepted_names(name: str) -> list[str]:
    names: list[str] = []
    for field, info in CATALOGUE.get(name).payload.model_fields.items():
        alias = info.validation_alias
        names += [field, *(getattr(alias, "choices", []) or [])]
    return names


@st.composite
def guesses(draw: st.DrawFn) -> tuple[str, Any]:
    """Give a type with an object that mostly has the type's own fields, or with any other value."""
    name = draw(st.sampled_from(TYPES))
    keys = st.sampled_from(accepted_names(name)) | texts
    return name, draw(st.dictionaries(keys, values, max_size=6) | values)


def refusal(name: str, data: Any) -> InvalidPayload | PayloadTooLarge | None:
    try:
        validate(CATALOGUE.get(name).payload, data)
    except (InvalidPayload, PayloadTooLarge) as error:
        return error
    return None


@settings(max_examples=10 * settings().max_examples)  # there are many types
@given(guesses())
def test_any_json_is_accepted_or_refused_in_words(guess: tuple[str, Any]) -> None:
    name, data = guess
    error = refusal(name, data)
    if error is None:
        payload = validate(CATALOGUE.get(name).payload, data)
        kept = json.loads(json.dumps(payload.model_dump(mode="json"), allow_nan=False))
        again = validate(type(payload), kept)
        assert again == payload
        assert content_key(name, again) == content_key(name, payload)
    else:
        body = json.dumps(error.body(), allow_nan=False, ensure_ascii=False).encode()
        assert len(body) < 20_000
        assert error.details["fields"]
        assert all(problem["field"].startswith("/payload") for problem in error.details["fields"])


free_text = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=50).filter(str.strip)
segments = st.builds(
    lambda start, length, text: {"start_ms": start, "end_ms": start + length, "text": text},
    st.integers(0, 10**6), st.integers(0, 10**5), free_text,
)  # fmt: skip
moments = st.datetimes(datetime(1970, 1, 1), datetime(2200, 12, 31), timezones=st.timezones())  # noqa: DTZ001 - Hypothesis adds the zone
valid = {
    "speech_recognition": st.fixed_dictionaries(
        {"audio_url": st.sampled_from(["file:///a.wav", "s3://meetings/ä.wav", "https://h.example/a?b=c"])},
        optional={
            "language": st.sampled_from(["auto", "en", "zh-CN+en-US"]),
            "hotwords": st.lists(free_text, max_size=5),
            "sample_rate": st.integers(8000, 192_000),
            "offset_ms": st.integers(0, 86_400_000),
            "is_final": st.booleans(),
        },
    ),
    "audio_denoising": st.fixed_dictionaries(
        {"audio_data": st.binary(min_size=1, max_size=300).map(lambda b: base64.b64encode(b).decode())},
        optional={"noise_reduction_db": st.floats(0.01, 97), "noise_floor_db": st.integers(-80, -20)},
    ),
    "meeting_minutes": st.fixed_dictionaries({"segments": st.lists(segments, max_size=10)}),
    "report_generation": st.fixed_dictionaries(
        {"report_type": st.sampled_from(["hourly", "daily", "weekly", "meeting"])},
        optional={"period_start": moments.map(datetime.isoformat)},
    ),
    "custom_task_type_1": st.dictionaries(
        st.text("abc é$", min_size=1, max_size=5),
        st.recursive(st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | free_text, st.lists),
    ),
}


@pytest.mark.parametrize("name", valid)
@given(data=st.data())
def test_a_valid_payload_round_trips_through_json(name: str, data: st.DataObject) -> None:
    sent = data.draw(valid[name])
    model = CATALOGUE.get(name).payload
    payload = validate(model, sent)
    kept = json.loads(json.dumps(payload.model_dump(mode="json", exclude_unset=True)))
    assert set(kept) == set(sent)
    assert validate(model, kept) == payload
