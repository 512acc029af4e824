"""The formats that can be made, and what each is made of."""

from __future__ import annotations

from dataclasses import dataclass

from workers.engines.errors import InvalidInput, NotConfigured

QUALITIES = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Profile:
    """A container: FFmpeg's muxer, and the encoders that may go into it, the usual one first."""

    muxer: str
    video: tuple[str, ...]
    audio: tuple[str, ...]


PROFILES = {
    "mp4": Profile("mp4", ("libx264", "libx265", "libvpx-vp9"), ("aac", "libopus", "libmp3lame")),
    "mov": Profile("mov", ("libx264", "libx265"), ("aac", "pcm_s16le")),
    "mkv": Profile(
        "matroska", ("libx264", "libx265", "libvpx-vp9", "libvpx"), ("aac", "libopus", "libmp3lame", "flac")
    ),
    "webm": Profile("webm", ("libvpx-vp9", "libvpx"), ("libopus",)),
    "m4a": Profile("ipod", (), ("aac",)),
    "mp3": Profile("mp3", (), ("libmp3lame",)),
    "ogg": Profile("ogg", (), ("libopus", "flac")),
    "opus": Profile("opus", (), ("libopus",)),
    "flac": Profile("flac", (), ("flac",)),
    "wav": Profile("wav", (), ("pcm_s16le",)),
}

# The words that people use for what FFmpeg calls by its libraries.
_SAME = {
    "h264": "libx264",
    "h265": "libx265",
    "hevc": "libx265",
    "vp8": "libvpx",
    "vp9": "libvpx-vp9",
    "opus": "libopus",
    "mp3": "libmp3lame",
}
# Known words without a usable encoder here: Vorbis is experimental in FFmpeg, AV1's encoder writes to the terminal,
# and copied streams would carry their damage along.
_NOT_MADE = ("vorbis", "libvorbis", "av1", "libsvtav1", "copy")

_CRF = {
    "libx264": {"low": "28", "medium": "23", "high": "18"},
    "libx265": {"low": "31", "medium": "26", "high": "21"},
    "libvpx-vp9": {"low": "40", "medium": "34", "high": "27"},
    "libvpx": {"low": "36", "medium": "26", "high": "14"},
}
_X26X_PRESET = {"low": "veryfast", "medium": "veryfast", "high": "medium"}

# bit/s for one channel; speech is good from 24 000 (Opus) or 48 000 (AAC) on.
_AUDIO_BITRATE = {"low": 32_000, "medium": 64_000, "high": 96_000}
_OPUS_RATE = 48_000
_COMMON_RATES = (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


def profile_of(format: str) -> Profile:  # noqa: A002 - the word of the task's payload
    """Return what ``format`` is made of; raises ``InvalidInput`` (``options_invalid``) for an unknown one."""
    if format not in PROFILES:
        raise InvalidInput(f"format {format!r} cannot be made; one of {', '.join(PROFILES)}", code="options_invalid")
    return PROFILES[format]


def encoder_of(wanted: str | None, allowed: tuple[str, ...], format: str) -> str:  # noqa: A002 - as above
    """Return FFmpeg's encoder for a codec's name, ``None``: the usual one of ``format``.

    Raises ``NotConfigured`` for what this build cannot encode, ``InvalidInput`` for what does not belong together.
    """
    if wanted is None:
        return allowed[0]
    if wanted in _NOT_MADE:
        raise NotConfigured(f"codec {wanted!r} is not available; {format} can be made with {', '.join(allowed)}")
    encoder = _SAME.get(wanted, wanted)
    if encoder not in allowed:
        raise InvalidInput(
            f"codec {wanted!r} does not go into {format}; one of {', '.join(allowed)}", code="options_invalid"
        )
    return encoder


def video_options(encoder: str, quality: str, *, fixed_bitrate: bool) -> dict[str, str]:
    """Return the encoder's options for ``quality``; with a fixed bitrate the quality only sets the effort."""
    if quality not in QUALITIES:
        raise InvalidInput(f"quality {quality!r} is none of {', '.join(QUALITIES)}", code="options_invalid")
    options = {} if fixed_bitrate else {"crf": _CRF[encoder][quality]}
    if encoder.startswith("libvpx"):
        # With "good" and 4 a 720p picture takes 30 ms on one core; the defaults take ten times as long.
        options |= {"deadline": "good", "cpu-used": "4"}
        return options if encoder == "libvpx" else {**options, "row-mt": "1"}
    options["preset"] = _X26X_PRESET[quality]
    return {**options, "x265-params": "log-level=none"} if encoder == "libx265" else options


def audio_bitrate(encoder: str, quality: str, channels: int) -> int | None:
    """Return bit/s, ``None`` for encoders that keep every bit."""
    return None if encoder in ("flac", "pcm_s16le") else _AUDIO_BITRATE[quality] * channels


def audio_rate(encoder: str, source_rate: int) -> int:
    """Return the sample rate in Hz: the source's where the encoder takes it."""
    if encoder == "libopus":
        return _OPUS_RATE
    if encoder in ("flac", "pcm_s16le"):
        return min(max(source_rate, 1_000), 192_000)
    lowest = 16_000 if encoder == "libmp3lame" else 8_000
    fitting = [rate for rate in _COMMON_RATES if rate >= max(source_rate, lowest)]
    return fitting[0] if fitting else _COMMON_RATES[-1]
