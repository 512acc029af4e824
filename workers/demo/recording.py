"""The recording that is demonstrated: the sample meeting, or the user's own file, looked at before anything starts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from meetingtasks.errors import BusinessError
from workers.engines.errors import EngineError
from workers.engines.media.probe import probe

SAMPLE: Final = Path(__file__).parents[2] / "samples" / "meeting.flac"


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A file with sound; ``words`` are what is said in it, where somebody has written that down beside it."""

    path: Path
    duration_ms: int
    title: str
    language: str | None
    words: str | None


def choose(audio: Path | None) -> Recording:
    """Look at the file, or at the sample; BusinessError when it is missing, broken or silent film."""
    if audio is None and not SAMPLE.exists():
        raise BusinessError("the sample recording did not come with this installation; give one with --audio FILE")
    path = (audio or SAMPLE).absolute()
    try:
        info = probe(path)
    except EngineError as error:
        raise BusinessError(error.message, code=error.code) from error
    if not info.has_audio:
        raise BusinessError(f"{path.name} has no sound track", code="media_invalid")
    known = _known(path)
    utterances = known.get("utterances", [])
    return Recording(
        path=path,
        duration_ms=info.duration_ms,
        title=str(known.get("title", path.stem)),
        language=known.get("language"),
        words=" ".join(utterance["text"] for utterance in utterances) or None,
    )


def _known(path: Path) -> dict[str, Any]:
    """Return what stands in the JSON file beside a recording, as the samples have one; empty when there is none."""
    try:
        found = json.loads(path.with_suffix(".json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    usable = isinstance(found, dict) and all(
        isinstance(utterance, dict) and isinstance(utterance.get("text"), str)
        for utterance in found.get("utterances", [])
    )
    return found if usable else {}
