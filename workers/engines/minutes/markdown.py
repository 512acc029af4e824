"""Minutes as a page to read."""

from __future__ import annotations

from typing import Final

from workers.engines.minutes.model import ActionItem, Minutes

_WORDS: Final = {
    "en": {
        "participants": "Participants",
        "summary": "Summary",
        "points": "Key points",
        "decisions": "Decisions",
        "actions": "Action items",
        "gaps": "Not transcribed",
        "none": "None found.",
        "empty": "Nothing was said in this recording.",
        "coverage": "Coverage: {:.0%} of the detected speech.",
        "how": "Quoted from the transcript (engine: {}); nothing was worded anew.",
        "worded": "Worded by a language model (engine: {}); check it against the transcript.",
    },
    "zh": {
        "participants": "参会人",
        "summary": "摘要",
        "points": "要点",
        "decisions": "决定",
        "actions": "待办事项",
        "gaps": "未转写的片段",
        "none": "未发现。",
        "empty": "录音中没有语音。",
        "coverage": "覆盖率: {:.0%} (已识别语音)。",
        "how": "摘自转写文本 (引擎: {}), 未作改写。",
        "worded": "由语言模型撰写 (引擎: {}), 请对照转写文本核对。",
    },
}


def minutes_markdown(minutes: Minutes) -> str:
    """Return the minutes as Markdown, in their own language."""
    words = _WORDS[minutes.language]
    lines = [f"# {_escaped(minutes.title)}", ""]
    when = " ".join(part for part in (minutes.meeting_date, minutes.meeting_time) if part)
    if when:
        lines += [when, ""]
    if minutes.participants:
        lines += [f"**{words['participants']}**: {_escaped(', '.join(minutes.participants))}", ""]
    lines += [f"## {words['summary']}", "", _escaped(minutes.summary) or words["empty"], ""]
    lines += _section(words["points"], [_escaped(point) for point in minutes.key_points], words["none"])
    decisions = [f"{_escaped(d.text)} [{', '.join(d.segment_ids)}]" for d in minutes.decisions]
    lines += _section(words["decisions"], decisions, words["none"])
    lines += _section(words["actions"], [_action(item) for item in minutes.action_items], words["none"])
    if minutes.gaps:
        gaps = [
            f"{_clock(gap['start_ms'])}-{_clock(gap['end_ms'])}: {_escaped(str(gap['reason']))}" for gap in minutes.gaps
        ]
        lines += _section(words["gaps"], gaps, words["none"])
    if minutes.coverage is not None:
        lines += [words["coverage"].format(minutes.coverage), ""]
    how = words["worded" if minutes.engine.startswith("chat:") else "how"]
    return "\n".join([*lines, f"_{how.format(_escaped(minutes.engine))}_", ""])


def _section(title: str, entries: list[str], none: str) -> list[str]:
    return [f"## {title}", "", *([f"- {entry}" for entry in entries] or [none]), ""]


def _action(item: ActionItem) -> str:
    about = [part for part in (item.owner, item.due) if part]
    ending = f" ({', '.join(about)})" if about else ""
    return f"{_escaped(item.text)}{ending} [{', '.join(item.segment_ids)}]"


def _escaped(text: str) -> str:
    for sign in "\\`*_<>[]|":
        text = text.replace(sign, "\\" + sign)
    return text.replace("\n", " ")


def _clock(ms: int) -> str:
    return f"{ms // 3_600_000}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}"
