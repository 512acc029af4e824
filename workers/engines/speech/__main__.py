"""The speech engine alone: ``python -m workers.engines.speech call.wav``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from workers.engines.errors import EngineError
from workers.engines.speech import ENGINES, SpeechConfig, Transcript, choose


def main(arguments: list[str] | None = None) -> int:
    """Transcribe one file and print it; 0 = done, 1 = the engine refused or failed."""
    parser = argparse.ArgumentParser(prog="python -m workers.engines.speech", description="Transcribe a recording.")
    parser.add_argument("path", type=Path, help="any audio or video file")
    parser.add_argument("--engine", choices=ENGINES, default="auto")
    parser.add_argument("--language", default="auto", help="such as en, zh-CN, zh-CN+en-US or auto")
    parser.add_argument("--start-ms", type=int, default=0)
    parser.add_argument("--end-ms", type=int, default=None)
    parser.add_argument("--words", action="store_true", help="give the time of each word (with --json)")
    parser.add_argument("--json", action="store_true", help="print the whole transcript as JSON")
    options = parser.parse_args(arguments)
    try:
        transcript = choose(options.engine, language=options.language, config=_config()).transcribe(
            options.path,
            start_ms=options.start_ms,
            end_ms=options.end_ms,
            language=options.language,
            word_timestamps=options.words,
        )
    except EngineError as error:
        sys.stderr.write(f"{error.code}: {error.message}\n")
        return 1
    sys.stdout.write(
        json.dumps(transcript.to_dict(), ensure_ascii=False, indent=2) if options.json else _plain(transcript)
    )
    sys.stdout.write("\n")
    return 0


def _config() -> SpeechConfig:
    """Read the settings that a worker would be given; alone on the command line, the environment is all there is."""
    model_path = os.environ.get("MT_WHISPER_MODEL_PATH", "")
    return SpeechConfig(
        whisper_model_path=Path(model_path) if model_path else None,
        http_url=os.environ.get("MT_SPEECH_HTTP_URL", ""),
        http_key=os.environ.get("MT_SPEECH_HTTP_KEY", ""),
    )


def _plain(transcript: Transcript) -> str:
    if transcript.no_speech:
        return "(no speech)"
    lines = [f"{segment.start_ms / 1000:8.2f} s  {segment.text}" for segment in transcript.segments]
    return "\n".join([*lines, f"[{transcript.engine}, {transcript.model}] {transcript.note}".rstrip()])


if __name__ == "__main__":
    sys.exit(main())
