"""What a media file is: the facts that ``probe`` reads and everything else decides by."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AudioStream:
    """One sound track; ``sample_rate`` in Hz."""

    codec: str
    sample_rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class VideoStream:
    """One picture track as it is stored; ``rotation`` in degrees (0, 90, 180, 270) is still to be applied by a player.

    ``fps`` is 0.0 where the file does not say.
    """

    codec: str
    width: int
    height: int
    fps: float
    rotation: int


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """The facts about one file.

    ``format`` is the demuxer's name (``wav``, ``mp3``, ``mov``, ``matroska``, ...). ``duration_ms`` is what the file
    claims, corrected where the claim can be checked cheaply (WAV headers, files without a claim). Cover pictures in
    sound files are not video streams.
    """

    format: str
    duration_ms: int
    size_bytes: int
    audio: tuple[AudioStream, ...]
    video: tuple[VideoStream, ...]

    @property
    def has_audio(self) -> bool:
        """Whether there is a sound track."""
        return bool(self.audio)

    @property
    def has_video(self) -> bool:
        """Whether there is a picture track."""
        return bool(self.video)

    def as_dict(self) -> dict[str, Any]:
        """Return the same as plain values for JSON."""
        return {**asdict(self), "has_audio": self.has_audio, "has_video": self.has_video}


@dataclass(frozen=True, slots=True)
class Gap:
    """A part of the timeline for which the file has no usable sound.

    Milliseconds from the start. ``reason``: ``damaged`` (could not be decoded), ``missing`` (the file's timestamps
    leave it out), ``truncated`` (the file ends before the length that it claims), ``not_a_number`` (NaN or infinite
    samples). Decoders put zeros there to keep all later times true; nobody may take those zeros for silence.
    """

    start_ms: int
    end_ms: int
    reason: str
