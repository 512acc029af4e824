"""Makes minutes by choosing what was said: nothing is worded anew, so nothing can be made up.

With a chat endpoint the minutes are worded by a language model instead, see ``written``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from workers.engines.chat import ChatConfig
from workers.engines.minutes.cues import is_action, is_decision, owner_of
from workers.engines.minutes.dates import due_in
from workers.engines.minutes.model import ActionItem, Decision, Minutes
from workers.engines.minutes.ranking import ranked
from workers.engines.minutes.sentences import Sentence, is_chinese, sentences_of
from workers.engines.minutes.written import WrittenMinutes, written_minutes

ENGINE: Final = "extractive"
_SUMMARY_SENTENCES = 3
_KEY_POINTS = 5
_MOST_ITEMS = 200
_ENDS_ZH: Final = "\u3002\uff01\uff1f\uff1b"
_TITLES: Final = {
    "zh": {"weekly_sync": "周会纪要", "common": "会议纪要"},
    "en": {"weekly_sync": "Weekly sync", "common": "Meeting"},
}
_UNHEEDED: Final = (
    "custom_instructions need a language model (MT_CHAT_URL); these minutes quote the transcript as it is."
)


def make_minutes(
    segments: Iterable[Mapping[str, Any]],
    *,
    language: str = "auto",
    participants: Sequence[str] = (),
    meeting_type: str = "common",
    meeting_date: str | None = None,
    meeting_time: str | None = None,
    custom_instructions: str = "",
    coverage: float | None = None,
    gaps: Sequence[Mapping[str, Any]] = (),
    chat: ChatConfig | None = None,
) -> Minutes:
    """Make the minutes of a transcript.

    ``segments`` have ``id``, ``text`` and optionally ``speaker``. Every sentence of the result is quoted from a
    segment; decisions and actions name theirs. ``meeting_date`` (YYYY-MM-DD) turns "by Friday" into a date.
    ``coverage`` (0-1) and ``gaps`` are stated in the minutes. A transcript without words gives minutes that say so.

    ``chat`` lets a language model word the minutes; ``custom_instructions`` are for it alone. Its failure is an error
    (``EndpointFailed``, ``ChatAnswerInvalid``), never replaced by quoted minutes.
    """
    sentences = sentences_of(segments)
    spoken = _language(sentences, language)
    speakers = dict.fromkeys(s.speaker for s in sentences if s.speaker)
    frame = Minutes(
        title=_title(spoken, meeting_type, meeting_date),
        language=spoken,
        engine=ENGINE,
        participants=tuple(participants) or tuple(speakers),
        meeting_date=meeting_date,
        meeting_time=meeting_time,
        coverage=coverage,
        gaps=tuple(dict(gap) for gap in gaps),
    )
    if chat is None or not sentences:
        names = list(dict.fromkeys([*participants, *speakers]))
        return _quoted(frame, sentences, names, note=_UNHEEDED if custom_instructions else "")
    about = {"participants": frame.participants, "type": meeting_type, "date": meeting_date, "time": meeting_time}
    wanted = spoken if language in ("", "auto") else language
    worded = written_minutes(chat, sentences, language=wanted, facts=about, custom_instructions=custom_instructions)
    return _worded(frame, worded, f"chat:{chat.model}")


def _quoted(frame: Minutes, sentences: Sequence[Sentence], names: Sequence[str], *, note: str) -> Minutes:
    order = ranked(list(sentences))
    actions = [s for s in sentences if is_action(s.text, names)][:_MOST_ITEMS]
    items = tuple(
        ActionItem(s.text, owner_of(s, names), due_in(s.text, frame.meeting_date), (s.segment_id,)) for s in actions
    )
    return replace(
        frame,
        summary=_joined(sorted(order[:_SUMMARY_SENTENCES], key=lambda s: s.number), frame.language),
        key_points=tuple(s.text for s in sorted(order[:_KEY_POINTS], key=lambda s: s.number)),
        decisions=tuple(Decision(s.text, (s.segment_id,)) for s in sentences if is_decision(s.text))[:_MOST_ITEMS],
        action_items=items,
        responsible_person=_most(item.owner for item in items if item.owner),
        note=note,
    )


def _worded(frame: Minutes, worded: WrittenMinutes, engine: str) -> Minutes:
    items = tuple(ActionItem(a.text, a.owner, a.due, tuple(a.segment_ids)) for a in worded.action_items)
    return replace(
        frame,
        title=worded.title or frame.title,
        engine=engine,
        summary=worded.summary,
        key_points=tuple(worded.key_points),
        decisions=tuple(Decision(d.text, tuple(d.segment_ids)) for d in worded.decisions),
        action_items=items,
        responsible_person=_most(item.owner for item in items if item.owner),
        note="Worded by a language model; each decision and action item names the segments that it rests on.",
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
        return "".join(s.text if s.text[-1] in _ENDS_ZH else s.text + "。" for s in sentences)
    return " ".join(s.text if s.text[-1] in ".!?" else s.text + "." for s in sentences)


def _most(names: Iterable[str]) -> str | None:
    counted = Counter(names).most_common(1)
    return counted[0][0] if counted else None
