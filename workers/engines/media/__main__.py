"""The media engines by hand: ``python -m workers.engines.media probe FILE`` and so on.

Exit codes: 0 done, 1 refused or failed (the message says why), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.engines.media.command import answer
from workers.engines.media.decode import decode_to_wav
from workers.engines.media.merge import merge_audio
from workers.engines.media.probe import probe
from workers.engines.media.profile import PROFILES, QUALITIES
from workers.engines.media.split import split_audio
from workers.engines.media.thumbnail import thumbnail
from workers.engines.media.transcode import extract_audio, transcode
from workers.engines.media.waveform import waveform

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Command = tuple[argparse.ArgumentParser, "Callable[[argparse.Namespace], Any]"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m workers.engines.media", description="Look at and change media.")
    commands = parser.add_subparsers(dest="command", required=True)
    for add in (_probe, _decode, _split, _merge, _thumbnail, _waveform, _transcode, _extract):
        command, work = add(commands)
        command.add_argument("--json", action="store_true", help="answer as one line of JSON")
        command.set_defaults(work=work)
    options = parser.parse_args(arguments)
    return answer(lambda: options.work(options), as_json=options.json)


def _probe(commands: Any) -> Command:
    command = _command(commands, "probe", "say what a file holds")
    return command, lambda o: probe(o.file)


def _decode(commands: Any) -> Command:
    command = _command(commands, "decode", "write the sound as WAV")
    command.add_argument("out", type=Path)
    command.add_argument("--rate", type=int, default=16_000, help="Hz")
    command.add_argument("--channels", type=int, default=1)
    command.add_argument("--start-ms", type=int, default=0)
    command.add_argument("--end-ms", type=int, default=None)
    return command, lambda o: decode_to_wav(
        o.file, o.out, rate=o.rate, channels=o.channels, start_ms=o.start_ms, end_ms=o.end_ms
    )


def _split(commands: Any) -> Command:
    command = _command(commands, "split", "cut a recording at its pauses")
    command.add_argument("out_dir", type=Path)
    command.add_argument("--target-ms", type=int, default=30_000)
    command.add_argument("--min-ms", type=int, default=5_000)
    command.add_argument("--max-ms", type=int, default=60_000)
    command.add_argument("--overlap-ms", type=int, default=1_000)
    return command, lambda o: split_audio(
        o.file, o.out_dir, target_ms=o.target_ms, min_ms=o.min_ms, max_ms=o.max_ms, overlap_ms=o.overlap_ms
    )


def _merge(commands: Any) -> Command:
    command: argparse.ArgumentParser = commands.add_parser("merge", help="join recordings to one WAV")
    command.add_argument("out", type=Path)
    command.add_argument("files", type=Path, nargs="+", help="in the order of playing")
    command.add_argument("--rate", type=int, default=16_000, help="Hz")
    command.add_argument("--channels", type=int, default=1)
    return command, lambda o: {"offsets_ms": merge_audio(o.files, o.out, rate=o.rate, channels=o.channels)}


def _thumbnail(commands: Any) -> Command:
    command = _command(commands, "thumbnail", "write a still picture (.jpg or .png)")
    command.add_argument("out", type=Path)
    command.add_argument("--time-ms", type=int, default=0)
    command.add_argument("--max-width", type=int, default=640)
    command.add_argument("--max-height", type=int, default=640)
    return command, lambda o: thumbnail(
        o.file, o.out, time_ms=o.time_ms, max_width=o.max_width, max_height=o.max_height
    )


def _waveform(commands: Any) -> Command:
    command = _command(commands, "waveform", "print the peaks of the sound")
    command.add_argument("--points", type=int, default=1000)
    return command, lambda o: {"peaks": waveform(o.file, o.points)}


def _transcode(commands: Any) -> Command:
    command = _command(commands, "transcode", "write another format")
    command.add_argument("out", type=Path)
    command.add_argument("--format", choices=PROFILES, default="mp4")
    command.add_argument("--width", type=int, default=None)
    command.add_argument("--height", type=int, default=None)
    command.add_argument("--video-codec", default=None)
    command.add_argument("--audio-codec", default=None)
    command.add_argument("--quality", choices=QUALITIES, default="medium")
    command.add_argument("--bitrate", type=int, default=None, help="bit/s")
    command.add_argument("--frame-rate", type=float, default=None)
    return command, lambda o: transcode(
        o.file,
        o.out,
        format=o.format,
        width=o.width,
        height=o.height,
        video_codec=o.video_codec,
        audio_codec=o.audio_codec,
        quality=o.quality,
        bitrate=o.bitrate,
        frame_rate=o.frame_rate,
    )


def _extract(commands: Any) -> Command:
    command = _command(commands, "extract", "write the sound alone")
    command.add_argument("out", type=Path)
    command.add_argument("--format", choices=[name for name, made in PROFILES.items() if not made.video], default="wav")
    return command, lambda o: extract_audio(o.file, o.out, format=o.format)


def _command(commands: Any, name: str, about: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=about)
    command.add_argument("file", type=Path)
    return command


if __name__ == "__main__":
    sys.exit(main())
