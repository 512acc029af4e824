"""Makes minutes by choosing what was said: nothing is worded anew, so nothing can be made up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from workers.engines.minutes.cues import is_action, is_decision, owner_of
from workers.engines.minutes.dates import due_in
from workers.engines.minutes.model import ActionItem, Decision, Minutes
from workers.engines.minutes.ranking import ranked
from workers.engines.minutes.sentences import Sentence, is_chinese, sentences_of

ENGINE: Final = "extractive"
_SUMMARY_SENTENCES = 3
_KEY_POINTS = 5
_MOST_ITEMS = 200
_TITLES: Final = {
    "zh": {"weekly_sync": "周会纪要", "common": "会议纪要"},
    "en": {"weekly_sync": "Weekly sync", "common": "Meeting"},
}


def make_minutes(
    segments: Iterable[Mapping[str, Any]],
    *,
    language: str = "auto",
    participants: Sequence[str] = (),
    meeting_type: str = "common",
    meeting_date: str | None = None,
    meeting_time: str | None = None,
    coverage: float | None = None,
    gaps: Sequence[Mapping[str, Any]] = (),
) -> Minutes:
    """Make the minutes of a transcript.

    ``segments`` have ``id``, ``text`` and optionally ``speaker``. Every sentence of the result is quoted from a segment;
    decisions and actions name theirs. ``meeting_date`` (YYYY-MM-DD) turns "by Friday" into a date. ``coverage`` (0-1) and
    ``gaps`` are stated in the minutes. A transcript without words gives minutes that say so.
    """
    sentences = sentences_of(segments)
    spoken = _language(sentences, language)
    order = ranked(sentences)
    decisions = [s for s in sentences if is_decision(s.text)][:_MOST_ITEMS]
    actions = [s for s in sentences if is_action(s.text)][:_MOST_ITEMS]
    speakers = [s.speaker for s in sentences if s.speaker]
    items = tuple(
        ActionItem(s.text, owner_of(s, participants), due_in(s.text, meeting_date), (s.segment_id,)) for s in actions
    )
    return Minutes(
        title=_title(spoken, meeting_type, meeting_date),
        language=spoken,
        engine=ENGINE,
        participants=tuple(participants) or tuple(dict.fromkeys(speakers)),
        summary=_joined(sorted(order[:_SUMMARY_SENTENCES], key=lambda s: s.number), spoken),
        key_points=tuple(s.text for s in sorted(order[:_KEY_POINTS], key=lambda s: s.number)),
        decisions=tuple(Decision(s.text, (s.segment_id,)) for s in decisions),
        action_items=items,
        responsible_person=_most(item.owner for item in items if item.owner),
        meeting_date=meeting_date,
        meeting_time=meeting_time,
        coverage=coverage,
        gaps=tuple(dict(gap) for gap in gaps),
    )


def _language(sentences: Sequence[Sentence], wanted: str) -> str:
    text = " ".join(s.text for s in sentences[:200])
    if text:
        return "zh" if is_chinese(text) else "en"
    return "zh" if wanted.lower().startswith("zh") else "en"


def _title(language: str, meeting_type: str, meeting_date: str | None) -> str:
    titles = _TITLES[language]
    name = titles.get(meeting_type) or meeting_type.replace("_", " ").strip().capitalize() or titles["common"]
    return f"{name} {meeting_date}" if meeting_date else name


def _joined(sentences: Sequence[Sentence], language: str) -> str:
    if language == "zh":
        return "".join(s.text if s.text[-1] in "。！？；" else s.text + "。" for s in sentences)  # noqa: RUF001
    return " ".join(s.text if s.text[-1] in ".!?" else s.text + "." for s in sentences)


def _most(names: Iterable[str]) -> str | None:
    counted = Counter(names).most_common(1)
    return counted[0][0] if counted else None
