"""A demonstration's outcome for a reader: transcript with times and moods, minutes, measures, and the files' place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from meetingtasks.cli import output, views

QUIET_MOOD = "neutral"


def print_summary(report: dict[str, Any]) -> None:
    """Print it on standard output."""
    if report["transcript"] is not None:
        _print_transcript(report["transcript"]["segments"], report["emotion"])
    if report["minutes"] is not None:
        _print_minutes(report["minutes"])
    _heading("Measures")
    output.table(("", ""), list(_measures(report)))
    _heading("Files")
    output.line(report["files"])


def clock(ms: int) -> str:
    """Return a place in a recording as minutes and seconds."""
    return f"{ms // 60_000}:{ms // 1000 % 60:02}"


def _print_transcript(segments: list[dict[str, Any]], emotion: dict[str, Any] | None) -> None:
    moods = {item["id"]: item["emotion"] for item in (emotion or {}).get("items", [])}
    _heading("Transcript")
    if not segments:
        output.line("nobody spoke")
        return
    rows = [
        (clock(s["start_ms"]), s["text"], moods.get(s["id"], "").replace(QUIET_MOOD, ""), f"{s['confidence']:.0%}")
        for s in segments
    ]
    output.table(("at", "words", "mood", "sure"), rows)


def _print_minutes(minutes: dict[str, Any]) -> None:
    _heading(f"Minutes: {minutes['title']}")
    if minutes["summary"]:
        output.line(minutes["summary"])
    _print_list("Decisions", (decision["text"] for decision in minutes["decisions"]))
    _print_list("Action items", (_action(item) for item in minutes["action_items"]))
    if minutes["note"]:
        output.line(f"({minutes['note']})")


def _action(item: dict[str, Any]) -> str:
    about = [f"{name}: {item[name]}" for name in ("owner", "due") if item[name]]
    return f"{item['text']} ({', '.join(about)})" if about else str(item["text"])


def _print_list(title: str, items: Iterable[str]) -> None:
    lines = [f"  - {item}" for item in items]
    output.line("\n".join([f"{title}:", *(lines or ["  none found"])]))


def _measures(report: dict[str, Any]) -> Iterable[tuple[str, str]]:
    yield "state", report["state"]
    if report["coverage"] is not None:
        yield "coverage", f"{report['coverage']:.1%} of the detected speech is in the transcript"
    before, after = report["noise_floor_before_db"], report["noise_floor_after_db"]
    if before is not None and after is not None:
        yield "noise floor", f"{before:.1f} dB before, {after:.1f} dB after cleaning"
    if report["word_error_rate"] is not None:
        yield "word error rate", f"{report['word_error_rate']:.2f} against the known words (0 is perfect)"
    if report["engine"] is not None:
        yield "engine", f"{report['engine']}: {report['engine_note']}"
    if report["duration_s"] is not None:
        yield (
            "took",
            f"{views.duration(report['duration_s'])} for {views.duration(report['recording_ms'] / 1000)} of sound",
        )
    if report.get("chaos"):
        lost = sum("lost" in outcomes for outcomes in report["chaos"]["interrupted_tasks"].values())
        yield "chaos", f"worker process {report['chaos']['pid']} was killed; {lost} lost attempts were made again"


def _heading(text: str) -> None:
    output.line(f"\n== {text}")
